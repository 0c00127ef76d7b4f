import { type KubeClient, KubeError, type RequestOptions } from "./client.ts";

/**
 * What the API server answers for `path`, or undefined when it knows no such object. Else rejects as `request` does; so it
 * does when it knows no such kind, and when something before it says 404: neither tells that the object is gone.
 */
export async function readIfThere<T>(
  client: KubeClient,
  path: string,
  options?: RequestOptions,
): Promise<T | undefined> {
  try {
    return await client.request<T>("GET", path, options);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404 && error.reason === "NotFound") return undefined;
    throw error;
  }
}

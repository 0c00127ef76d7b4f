import { type KubeClient, KubeError, type RequestOptions } from "./client.ts";

/** What the API server answers for `path`, or undefined when it knows no such object (404). Else rejects as `request` does. */
export async function readIfThere<T>(
  client: KubeClient,
  path: string,
  options?: RequestOptions,
): Promise<T | undefined> {
  try {
    return await client.request<T>("GET", path, options);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

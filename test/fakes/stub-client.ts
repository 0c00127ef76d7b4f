import type { KubeClient, RequestOptions } from "../../src/kube/client.ts";

/** Answers `METHOD path` with a value, or throws. */
export type Responder = (request: string, body: unknown, options: RequestOptions) => unknown;

/** A `KubeClient` for code that sends a few requests of known paths; `sent` is what it was asked, in order. */
export function stubClient(respond: Responder): KubeClient & { readonly sent: readonly string[] } {
  const sent: string[] = [];
  const exchange = async (method: string, path: string, options: RequestOptions & { body?: unknown }) => {
    sent.push(`${method} ${path}`);
    return (await respond(`${method} ${path}`, options.body, options)) as never;
  };
  return {
    server: "https://10.96.0.1",
    sent,
    request: (method, path, options = {}) => exchange(method, path, options),
    patch: (path, body, options) => exchange("PATCH", path, { ...options, body }),
    stream: () => {
      throw new Error("Cannot stream from a stub");
    },
    close: () => undefined,
  };
}

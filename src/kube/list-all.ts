import type { KubeClient, RequestOptions } from "./client.ts";
import { listMessage } from "./protobuf/core-messages.ts";
import type { Message } from "./protobuf/message.ts";

interface ListOptions extends Pick<RequestOptions, "query" | "signal"> {
  /** Objects in one page; default 500. */
  readonly pageSize?: number | undefined;
  /** One object, where it may come as protobuf. */
  readonly message?: Message | undefined;
}

/** A part of a list. */
interface ListPage<T> {
  readonly items: readonly T[];
  /** Of the list as a whole: where a watch may begin. */
  readonly resourceVersion: string | undefined;
}

/**
 * What `path` lists, page by page as it is asked for, all of one moment. Rejects as `request` does; also with a KubeError
 * of status 410 when the pages are asked for so slowly that the server no longer knows that moment.
 */
export async function* listPages<T>(
  client: KubeClient,
  path: string,
  { query, signal, pageSize = 500, message }: ListOptions = {},
): AsyncGenerator<ListPage<T>> {
  let from: string | undefined;
  do {
    const { metadata, items } = await client.request<List<T>>("GET", path, {
      query: { ...query, limit: pageSize, continue: from },
      ...(signal === undefined ? {} : { signal }),
      ...(message === undefined ? {} : { message: listMessage(message) }),
    });
    yield { items: items ?? [], resourceVersion: metadata?.resourceVersion };
    from = metadata?.continue || undefined;
  } while (from !== undefined);
}

/** Everything that `path` lists. Rejects as `listPages` does. */
export async function listAll<T>(client: KubeClient, path: string, options?: ListOptions): Promise<readonly T[]> {
  const pages = await Array.fromAsync(listPages<T>(client, path, options));
  return pages.flatMap(({ items }) => items);
}

// --- internal ---

/** Any kind's list (metav1.ListMeta). */
interface List<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly T[];
}

import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";

/** What is sent, and to whom it may be given. */
export interface PinnedPost {
  /** The only certificate that is trusted, PEM. */
  readonly certificate: string;
  /** The DNS name in it. */
  readonly serverName: string;
  readonly token: string;
  /** JSON. */
  readonly body: string;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** The most that an answer may hold. */
  readonly limitBytes: number;
}

/** Sends one request over a connection of its own. Rejects when there is no whole answer in time; the message says why. */
export async function postPinned(
  url: URL,
  post: PinnedPost,
): Promise<{ readonly status: number; readonly text: string }> {
  const timeout = AbortSignal.timeout(post.timeoutMs);
  const signal = post.signal === undefined ? timeout : AbortSignal.any([post.signal, timeout]);
  try {
    const response = await send(url, post, signal);
    return { status: response.statusCode ?? 0, text: await textOf(response, post.limitBytes) };
  } catch (cause) {
    if (!timeout.aborted || post.signal?.aborted === true) throw cause;
    throw new Error(`nothing came from ${url.host} within ${post.timeoutMs / 1000} s`, { cause });
  }
}

// --- internal ---

function send(url: URL, post: PinnedPost, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(url, {
    ...{ method: "POST", signal, ca: post.certificate, servername: post.serverName, minVersion: "TLSv1.3" },
    // One of its own: the global one would keep connections, and TLS sessions that outlive a change of certificate.
    agent: new Agent({ keepAlive: false, maxCachedSessions: 0 }),
    headers: {
      authorization: `Bearer ${post.token}`,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(post.body)),
    },
  });
  sent.once("response", resolve);
  sent.on("error", reject);
  sent.end(post.body);
  return promise;
}

async function textOf(response: IncomingMessage, limitBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > limitBytes) throw new Error(`the answer is longer than ${limitBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

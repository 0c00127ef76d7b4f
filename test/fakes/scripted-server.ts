import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one request; `url` is its path and query. */
export type Answer = (response: ServerResponse, request: IncomingMessage, body: string) => void;

export interface ScriptedServer {
  readonly url: string;
  /** `METHOD path?query` of every request so far. */
  readonly requests: readonly string[];
  /** Connections accepted so far. */
  connections(): number;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * An HTTP server on loopback that says what it is told to, for what a real API server will not say on demand: the n-th
 * request gets the n-th answer, and the last answer serves all that come after.
 */
export async function scriptedServer(...answers: readonly [Answer, ...Answer[]]): Promise<ScriptedServer> {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push(`${request.method} ${request.url}`);
    let body = "";
    for await (const piece of request) body += piece;
    answer?.(response, request, body);
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The whole value, at once. */
export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => response.writeHead(status, headers).end(JSON.stringify(value));
}

/** A metav1.Status of a refusal. */
export function refusal(code: number, reason: string, message = `refused: ${reason}`): Answer {
  return json({ kind: "Status", code, reason, message }, code);
}

/** Pieces of a streamed answer; then it ends in good order, stays open, or is cut. */
export function streamed(pieces: readonly string[], then: "end" | "stay" | "cut"): Answer {
  return (response) => {
    response.writeHead(200);
    response.flushHeaders();
    for (const piece of pieces) response.write(piece);
    if (then === "end") response.end();
    // After the pieces: `destroy` would overtake what is still being written.
    if (then === "cut") setImmediate(() => response.write("", () => response.destroy()));
  };
}

import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** What a connection is made with; PEM text or bytes. */
export interface TlsCredentials {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  /** False only when the user asked not to check the server's certificate. */
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

/** One request as it goes out. */
export interface WireRequest {
  readonly method: string;
  /** Path and query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly tls: TlsCredentials;
  /** Streams have sockets of their own, so that a watch never takes one from a request. */
  readonly pool: "requests" | "streams";
  readonly signal: AbortSignal;
}

/** Kept-alive connections to one server, `https:` or `http:`. New TLS credentials start new connections. */
export class ConnectionPool {
  readonly #server: URL;
  #agents: Agents | undefined;

  constructor(server: URL) {
    this.#server = server;
  }

  /**
   * Resolves with the head of the answer; its body is still to be read. Aborting `signal` cuts both. Rejects with the
   * system's error when there is no answer.
   */
  async send(wire: WireRequest): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(wire);
    } catch (cause) {
      // The server may close an idle connection just as it is taken up again. Only a read may be said twice.
      if (!(cause instanceof StaleConnection)) throw cause;
      if (wire.method !== "GET" || wire.signal.aborted) throw cause.cause;
      return await this.#sendOnce(wire);
    }
  }

  /** Cuts every connection, also those in use. */
  close(): void {
    for (const agent of [this.#agents?.requests, this.#agents?.streams]) agent?.destroy();
  }

  #sendOnce(wire: WireRequest): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { method, path, headers, signal } = wire;
    const agent = this.#agentsFor(wire.tls)[wire.pool];
    const send = this.#server.protocol === "http:" ? httpRequest : httpsRequest;
    const request: ClientRequest = send(this.#server, { method, path, headers, signal, agent });
    request.once("response", resolve);
    // Stays on after the answer's head: a cut body reports here as well, and an error without a listener ends the process.
    request.on("error", (cause) => reject(request.reusedSocket ? new StaleConnection("", { cause }) : cause));
    request.end(wire.body);
    return promise;
  }

  #agentsFor(tls: TlsCredentials): Agents {
    const identity = identityOf(tls);
    if (this.#agents?.identity !== identity) {
      // The connections of earlier credentials end by themselves: idle ones do not keep the process alive.
      this.#agents = makeAgents(identity, this.#server, tls);
    }
    return this.#agents;
  }
}

// --- internal ---

interface Agents {
  readonly identity: string;
  readonly requests: HttpAgent;
  readonly streams: HttpAgent;
}

class StaleConnection extends Error {}

/** TCP keepalive finds a peer that went without a word: first probe after this, then ten, one a second (libuv). */
const keepAliveMsecs = 15_000;

function makeAgents(identity: string, server: URL, tls: TlsCredentials): Agents {
  const make = (maxSockets: number, maxFreeSockets: number) => {
    const options = { keepAlive: true, keepAliveMsecs, maxSockets, maxFreeSockets };
    return server.protocol === "http:" ? new HttpAgent(options) : new HttpsAgent({ ...options, ...tls });
  };
  return { identity, requests: make(16, 16), streams: make(Number.POSITIVE_INFINITY, 4) };
}

function identityOf(tls: TlsCredentials): string {
  const { ca, cert, key, passphrase, rejectUnauthorized, servername } = tls;
  return [ca, cert, key, passphrase, rejectUnauthorized, servername].map(String).join("\n");
}

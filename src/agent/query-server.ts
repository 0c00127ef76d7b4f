import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { ZodError } from "zod";
import type { NodeName } from "../api/names.ts";
import {
  type AddressAnswer,
  type AddressUse,
  addressesPath,
  type PoliciesAnswer,
  parseAddressQuery,
  policiesPath,
} from "../api/node-query.ts";
import type { KeyPair } from "../host/self-signed.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import type { Logger } from "./logger.ts";
import type { TokenCheck } from "./token-check.ts";

/** What the server answers from. */
export interface QueryServerParts {
  readonly node: NodeName;
  readonly keyPair: KeyPair;
  readonly tokens: Pick<TokenCheck, "verdict">;
  /** Rejects when it cannot tell for certain. */
  readonly addressUses: (ips: readonly Ip[] | undefined) => Promise<readonly AddressUse[]>;
  /** Undefined while the kernel does not hold any plan of this process. */
  readonly policiesInForce: () => Pick<PoliciesAnswer, "pending" | "policies"> | undefined;
  /**
   * Further questions by their paths: each reads its body, where a ZodError refuses it, and answers with everything but the
   * name of the node.
   */
  readonly questions?: Readonly<Record<string, (body: unknown) => Promise<object>>> | undefined;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * An HTTPS server, TLS 1.3, that answers the questions of src/api/node-query.ts and `questions` to who brings the controllers' token,
 * and nothing else to anybody: 401 without a token that counts, 403 with another's, before a body is read.
 * The caller lets it listen, and closes it.
 */
export function makeQueryServer(parts: QueryServerParts): FastifyInstance {
  const { key, certificate } = parts.keyPair;
  const app = Fastify({
    // Fastify's types have an HTTPS server be another type of instance; nobody here needs to know.
    ...({ https: { key, cert: certificate, minVersion: "TLSv1.3", handshakeTimeout: timeoutMs } } as object),
    bodyLimit: bodyLimitBytes,
    connectionTimeout: 2 * timeoutMs,
    requestTimeout: timeoutMs,
    keepAliveTimeout: timeoutMs,
    forceCloseConnections: true,
  });
  app.server.maxConnections = mostConnections;
  app.addHook("onRequest", (request, reply) => authenticate(parts.tokens, request, reply));
  const questions = Object.entries(parts.questions ?? {});
  const paths = [addressesPath, policiesPath, ...questions.map(([path]) => path)];
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, `There is only POST ${paths.join(" and ")}`));
  app.setErrorHandler<Error & { readonly statusCode?: number }>((error, _request, reply) => {
    const code = error instanceof ZodError ? 400 : (error.statusCode ?? 500);
    if (code >= 500) parts.logger.warn({ err: error }, "cannot answer a question about this node");
    return refuse(reply, code, messageOf(error));
  });
  const answer = oneAtATime((ips) => parts.addressUses(ips));
  app.post(addressesPath, async (request): Promise<AddressAnswer> => {
    const { ips } = parseAddressQuery(request.body);
    return { node: parts.node, uses: await answer(ips) };
  });
  app.post(policiesPath, async (): Promise<PoliciesAnswer> => {
    const held = parts.policiesInForce();
    if (held !== undefined) return { node: parts.node, ...held };
    const reason = "Cannot tell yet: this agent has not brought the kernel to a plan since it started";
    throw Object.assign(new Error(reason), { statusCode: 503 });
  });
  for (const [path, ask] of questions) {
    app.post(path, async (request) => ({ node: parts.node, ...(await ask(request.body)) }));
  }
  return app;
}

// --- internal ---

const timeoutMs = 10_000;
/** 65,536 IPv6 addresses at their longest. */
const bodyLimitBytes = 4 * 1024 * 1024;
const mostConnections = 64;
const mostWaiting = 16;

async function authenticate(tokens: QueryServerParts["tokens"], request: FastifyRequest, reply: FastifyReply) {
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) return refuse(reply, 401, "Cannot answer without a bearer token");
  const verdict = await tokens.verdict(token).catch((cause: unknown) => {
    throw Object.assign(new Error(`Cannot check the token: ${messageOf(cause)}`, { cause }), { statusCode: 503 });
  });
  if (verdict === "unknown") return refuse(reply, 401, "Cannot accept the token: it is not valid, or not for agents");
  if (verdict === "forbidden") return refuse(reply, 403, "Cannot answer: only the controllers may ask");
  return undefined;
}

function refuse(reply: FastifyReply, code: number, message: string): FastifyReply {
  if (code === 401) reply.header("www-authenticate", "Bearer");
  return reply.code(code).send({ message });
}

/** Reading all namespaces is work for this node: one question after the other, and no long queue. */
function oneAtATime(work: QueryServerParts["addressUses"]): QueryServerParts["addressUses"] {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (ips) => {
    if (waiting >= mostWaiting) {
      throw Object.assign(new Error(`Cannot answer now: ${waiting} questions are waiting`), { statusCode: 503 });
    }
    waiting++;
    const mine = last.then(() => work(ips));
    last = mine.catch(() => undefined);
    return mine.finally(() => {
      waiting--;
    });
  };
}

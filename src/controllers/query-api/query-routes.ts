import { constants } from "node:crypto";
import type { TLSSocket } from "node:tls";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type NodeName, namespacedName, systemNamespace } from "../../api/names.ts";
import { type AddressUse, agentLeaseName } from "../../api/node-query.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { KeyPair } from "../../host/self-signed.ts";
import { type Ip, ipToNumber, isIp, parseIp, versionOf } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Agents } from "../agents.ts";
import type { Logger } from "../logger.ts";
import { type FrontProxy, type Requester, requesterOf } from "./front-proxy.ts";
import {
  discovery,
  nodeAddressesOf,
  nodeAddressesResource,
  queryGroup,
  queryVersion,
  tableOf,
} from "./node-addresses.ts";
import { StatusError, statusOf } from "./status.ts";

/** What the API answers from. */
export interface QueryRoutesParts {
  readonly keyPair: KeyPair;
  /** As it is now: it may change. */
  readonly frontProxy: () => FrontProxy;
  /** Whether `requester` may read what `node` uses. Rejects when nobody can say. */
  readonly mayRead: (requester: Requester, node: string) => Promise<boolean>;
  readonly agents: Agents;
  readonly snapshot: Pick<Snapshot, "node" | "lease">;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * The extension API server's HTTPS side: discovery, `nodeaddresses/NODE` and health. Only kube-apiserver may ask, by its client
 * certificate, and each question is authorised once more for the user that it names. The caller lets it listen, and closes it.
 */
export function makeQueryRoutes(parts: QueryRoutesParts): FastifyInstance {
  const app = makeServer(parts);
  app.setNotFoundHandler((request) => {
    requesterIn(parts, request);
    throw request.url.startsWith(resourceRoot) && request.method !== "GET"
      ? new StatusError(405, `Cannot ${request.method} ${nodeAddressesResource}: it can only be read`)
      : new StatusError(404, `Cannot find ${request.url.slice(0, 200)}: there is ${resourceRoot}/NODE`);
  });
  app.setErrorHandler<Error>((error, _request, reply) => {
    const code = error instanceof StatusError ? error.code : 500;
    if (code >= 500) parts.logger.warn({ err: error }, "cannot answer a question to the query API");
    return reply.code(code).send(statusOf(code, messageOf(error)));
  });
  for (const path of ["/healthz", "/livez", "/readyz"]) app.get(path, async () => "ok");
  for (const [path, body] of Object.entries(discovery)) {
    app.get(path, async (request) => {
      requesterIn(parts, request);
      return body;
    });
  }
  app.get(resourceRoot, async (request) => {
    requesterIn(parts, request);
    throw new StatusError(405, `Cannot list ${nodeAddressesResource}: name a node, as each is asked at that moment`);
  });
  app.get(`${resourceRoot}/:node`, (request, reply) => answer(parts, request, reply));
  return app;
}

/** With what the server shows itself, and whom it takes for the API server. */
export function tlsOptions({ key, certificate }: KeyPair, { certificateAuthority }: FrontProxy) {
  // A resumed session would bring a certificate that an earlier authority has signed.
  return { key, cert: certificate, ca: certificateAuthority, minVersion, secureOptions: SSL_OP_NO_TICKET } as const;
}

// --- internal ---

const resourceRoot = `/apis/${queryGroup}/${queryVersion}/${nodeAddressesResource}`;
const timeoutMs = 30_000;
/** More than one process of the API server and their idle connections need. */
const mostConnections = 512;
const minVersion = "TLSv1.2";
const { SSL_OP_NO_TICKET } = constants;

function makeServer({ keyPair, frontProxy }: QueryRoutesParts): FastifyInstance {
  const https = {
    ...tlsOptions(keyPair, frontProxy()),
    // Probes have no certificate: who lacks one gets health, and nothing else.
    ...{ requestCert: true, rejectUnauthorized: false, handshakeTimeout: 10_000 },
  };
  const app = Fastify({
    // Fastify's types have an HTTPS server be another type of instance; nobody here needs to know.
    ...({ https } as object),
    ...{ bodyLimit: 1024, requestTimeout: timeoutMs, keepAliveTimeout: 120_000, forceCloseConnections: true },
  });
  app.server.maxConnections = mostConnections;
  return app;
}

async function answer(parts: QueryRoutesParts, request: FastifyRequest, reply: FastifyReply) {
  const requester = requesterIn(parts, request);
  const { node } = request.params as { readonly node: string };
  const allowed = await parts.mayRead(requester, node).catch((cause: unknown) => {
    throw new StatusError(503, `Cannot authorise ${requester.user}: ${messageOf(cause)}`, cause);
  });
  const what = `${nodeAddressesResource}.${queryGroup} ${JSON.stringify(node)}`;
  if (!allowed)
    throw new StatusError(403, `${what} is forbidden: User ${JSON.stringify(requester.user)} cannot get it`);
  const ips = ipsIn(request.query);
  if (!isKnown(parts.snapshot, node)) throw new StatusError(404, `${what} not found: there is no such node`);
  const uses = await parts.agents.addressesInUse(node, ips, abortOf(reply)).catch((cause: unknown) => {
    throw new StatusError(503, messageOf(cause), cause);
  });
  const sorted = uses.toSorted(byAddress);
  return wantsTable(request) ? tableOf(node, sorted) : nodeAddressesOf(node, sorted);
}

function requesterIn({ frontProxy }: QueryRoutesParts, { raw }: FastifyRequest): Requester {
  return requesterOf(frontProxy(), raw.socket as TLSSocket, raw.headersDistinct);
}

/** A node whose object is gone still counts while its agent's Lease is there: it can be asked. */
function isKnown({ node, lease }: QueryRoutesParts["snapshot"], name: string): name is NodeName {
  const isNode = node.has(name as NodeName);
  return isNode || lease.has(namespacedName(systemNamespace, agentLeaseName(name as NodeName)));
}

/** `?ip=…`, as often as wanted. */
function ipsIn(query: unknown): readonly Ip[] | undefined {
  const { ip } = query as { readonly ip?: string | readonly string[] };
  if (ip === undefined) return undefined;
  return [ip].flat().map((text) => {
    if (!isIp(text)) throw new StatusError(400, `Cannot read ip=${JSON.stringify(text)}: it is no IP address`);
    return parseIp(text);
  });
}

/** Aborted when whoever asks hangs up. */
function abortOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort(new Error("the client has hung up")));
  return gone.signal;
}

/** What `kubectl get` asks for first. */
function wantsTable({ headers }: FastifyRequest): boolean {
  const [first = ""] = (headers.accept ?? "").split(",");
  return /;\s*as=Table(;|$)/.test(first) && /;\s*v=v1(;|$)/.test(first);
}

function byAddress(a: AddressUse, b: AddressUse): number {
  if (versionOf(a.ip) !== versionOf(b.ip)) return versionOf(a.ip) - versionOf(b.ip);
  const difference = ipToNumber(a.ip) - ipToNumber(b.ip);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

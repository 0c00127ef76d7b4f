import { constants } from "node:crypto";
import type { TLSSocket } from "node:tls";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type NodeName, namespacedName, systemNamespace } from "../../api/names.ts";
import { agentLeaseName } from "../../api/node-query.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { KeyPair } from "../../host/self-signed.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Agents } from "../agents.ts";
import type { Logger } from "../logger.ts";
import { type FrontProxy, type Requester, requesterOf } from "./front-proxy.ts";
import { nodeAddresses } from "./node-addresses.ts";
import { nodeBgp } from "./node-bgp.ts";
import { nodeBgpProbes } from "./node-bgp-probes.ts";
import { nodePolicies } from "./node-policies.ts";
import { discoveryOf, objectOf, type QueryResource, queryGroup, queryVersion, tableOf } from "./query-resource.ts";
import { StatusError, statusOf } from "./status.ts";

/** What the API answers from. */
export interface QueryRoutesParts {
  readonly keyPair: KeyPair;
  /** As it is now: it may change. */
  readonly frontProxy: () => FrontProxy;
  /** Whether `requester` may get this object of the group. Rejects when nobody can say. */
  readonly mayGet: (
    requester: Requester,
    object: { readonly resource: string; readonly name: string },
  ) => Promise<boolean>;
  readonly agents: Agents;
  readonly snapshot: Pick<Snapshot, "node" | "lease">;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * The extension API server's HTTPS side: discovery, one object a node of each resource, and health. Only kube-apiserver may ask, by its client
 * certificate, and each question is authorised once more for the user that it names. The caller lets it listen, and closes it.
 */
export function makeQueryRoutes(parts: QueryRoutesParts): FastifyInstance {
  const app = makeServer(parts);
  app.setNotFoundHandler((request) => {
    requesterIn(parts, request);
    const resource = resources.find(({ name }) => request.url.startsWith(`${root}/${name}`));
    if (resource !== undefined && request.method !== "GET") {
      throw new StatusError(405, `Cannot ${request.method} ${resource.name}: it can only be read`);
    }
    const known = resources.map(({ name }) => `${root}/${name}/NODE`).join(" and ");
    throw new StatusError(404, `Cannot find ${request.url.slice(0, 200)}: there is ${known}`);
  });
  app.setErrorHandler<Error>((error, _request, reply) => {
    const code = error instanceof StatusError ? error.code : 500;
    if (code >= 500) parts.logger.warn({ err: error }, "cannot answer a question to the query API");
    return reply.code(code).send(statusOf(code, messageOf(error)));
  });
  for (const path of ["/healthz", "/livez", "/readyz"]) app.get(path, async () => "ok");
  for (const [path, body] of Object.entries(discoveryOf(resources))) {
    app.get(path, async (request) => {
      requesterIn(parts, request);
      return body;
    });
  }
  for (const resource of resources) {
    app.get(`${root}/${resource.name}`, async (request) => {
      requesterIn(parts, request);
      throw new StatusError(405, `Cannot list ${resource.name}: name a node, as each is asked at that moment`);
    });
    app.get(`${root}/${resource.name}/:node`, (request, reply) => answer(parts, resource, request, reply));
  }
  return app;
}

/** With what the server shows itself, and whom it takes for the API server. */
export function tlsOptions({ key, certificate }: KeyPair, { certificateAuthority }: FrontProxy) {
  // A resumed session would bring a certificate that an earlier authority has signed.
  return { key, cert: certificate, ca: certificateAuthority, minVersion, secureOptions: SSL_OP_NO_TICKET } as const;
}

// --- internal ---

const root = `/apis/${queryGroup}/${queryVersion}`;
const resources = [nodeAddresses, nodePolicies, nodeBgp, nodeBgpProbes] as readonly QueryResource[];
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

async function answer(parts: QueryRoutesParts, resource: QueryResource, request: FastifyRequest, reply: FastifyReply) {
  const requester = requesterIn(parts, request);
  const { node } = request.params as { readonly node: string };
  const allowed = await parts.mayGet(requester, { resource: resource.name, name: node }).catch((cause: unknown) => {
    throw new StatusError(503, `Cannot authorise ${requester.user}: ${messageOf(cause)}`, cause);
  });
  const what = `${resource.name}.${queryGroup} ${JSON.stringify(node)}`;
  if (!allowed)
    throw new StatusError(403, `${what} is forbidden: User ${JSON.stringify(requester.user)} cannot get it`);
  if (!isKnown(parts.snapshot, node)) throw new StatusError(404, `${what} not found: there is no such node`);
  const asked = { query: request.query, signal: abortOf(reply) };
  const found = await resource.ask(parts.agents, node, asked).catch((cause: unknown) => {
    throw cause instanceof StatusError ? cause : new StatusError(503, messageOf(cause), cause);
  });
  return wantsTable(request) ? tableOf(resource, node, found) : objectOf(resource, node, found);
}

function requesterIn({ frontProxy }: QueryRoutesParts, { raw }: FastifyRequest): Requester {
  return requesterOf(frontProxy(), raw.socket as TLSSocket, raw.headersDistinct);
}

/** A node whose object is gone still counts while its agent's Lease is there: it can be asked. */
function isKnown({ node, lease }: QueryRoutesParts["snapshot"], name: string): name is NodeName {
  const isNode = node.has(name as NodeName);
  return isNode || lease.has(namespacedName(systemNamespace, agentLeaseName(name as NodeName)));
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

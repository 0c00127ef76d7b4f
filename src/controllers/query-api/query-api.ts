import type { Server } from "node:https";
import type { FastifyInstance } from "fastify";
import type { Snapshot } from "../../api/snapshot.ts";
import type { Host } from "../../host/host.ts";
import type { KeyPair } from "../../host/self-signed.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { Clock } from "../../net/clock.ts";
import type { Agents } from "../agents.ts";
import type { Logger } from "../logger.ts";
import { type FrontProxy, type Requester, readFrontProxy } from "./front-proxy.ts";
import { queryGroup, queryVersion } from "./query-resource.ts";
import { makeQueryRoutes, tlsOptions } from "./query-routes.ts";
import { publishCertificate, readServingPair } from "./serving-certificate.ts";

export interface QueryApiParts {
  readonly client: KubeClient;
  /** Of it: the Nodes, and the Leases of `systemNamespace`. */
  readonly snapshot: Pick<Snapshot, "node" | "lease">;
  readonly agents: Agents;
  readonly host: Host;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where to listen, e.g. `0.0.0.0`. */
  readonly address: string;
  /** TCP; what the Service `margay-query` leads to. */
  readonly port: number;
}

/**
 * The aggregated API `query.margay.io/v1`, served by every controllers process, leader or not. What it needs from the API server
 * (front proxy, certificate) is read once a minute and taken over when it has changed; until it is there, it is tried again.
 */
export class QueryApi {
  readonly #parts: QueryApiParts;
  readonly #stopped = new AbortController();
  #served: Served | undefined;
  #running: Promise<void> | undefined;

  constructor(parts: QueryApiParts) {
    this.#parts = parts;
  }

  /** To be called once, when the snapshot is filled. Returns at once: nothing else waits for this API. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    await this.#served?.app.close();
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#refresh();
        failures = 0;
      } catch (error) {
        failures++;
        logger.warn({ err: error, failures }, "cannot bring the query API up to date: trying again");
      }
      const pauseMs = failures === 0 ? refreshMs : Math.min(1_000 * 2 ** (failures - 1), refreshMs);
      await clock.sleep(pauseMs * (0.9 + clock.random() / 5), signal).catch(() => undefined);
    }
  }

  async #refresh(): Promise<void> {
    const { client, host, clock } = this.#parts;
    const frontProxy = await readFrontProxy(client);
    const keyPair = await readServingPair(client, host, clock.now());
    if (this.#served === undefined) this.#served = await this.#serve(frontProxy, keyPair);
    else takeOver(this.#served, frontProxy, keyPair);
    await publishCertificate(client, keyPair.certificate);
  }

  async #serve(frontProxy: FrontProxy, keyPair: KeyPair): Promise<Served> {
    const { client, snapshot, agents, logger, address, port } = this.#parts;
    const served = { frontProxy, keyPair };
    const app = makeQueryRoutes({
      ...{ keyPair, agents, snapshot, logger },
      frontProxy: () => served.frontProxy,
      mayGet: (requester, object) => mayGet(client, requester, object),
    });
    try {
      await app.listen({ host: address, port });
    } catch (error) {
      await app.close();
      throw error;
    }
    logger.info({ address, port }, "serves the query API");
    return Object.assign(served, { app });
  }
}

// --- internal ---

const refreshMs = 60_000;

interface Served {
  frontProxy: FrontProxy;
  keyPair: KeyPair;
  readonly app: FastifyInstance;
}

function takeOver(served: Served, frontProxy: FrontProxy, keyPair: KeyPair): void {
  const { certificateAuthority } = served.frontProxy;
  const isSame =
    certificateAuthority === frontProxy.certificateAuthority && served.keyPair.certificate === keyPair.certificate;
  served.frontProxy = frontProxy;
  served.keyPair = keyPair;
  if (isSame) return;
  const server = served.app.server as unknown as Server;
  server.setSecureContext(tlsOptions(keyPair, frontProxy));
  // What was let in by the earlier authority comes in anew, or not.
  server.closeAllConnections();
}

/** Asks the API server whether this user may get the object. */
async function mayGet(
  client: KubeClient,
  { user, groups, extra }: Requester,
  object: { readonly resource: string; readonly name: string },
): Promise<boolean> {
  const resourceAttributes = { group: queryGroup, version: queryVersion, verb: "get", ...object };
  const body = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user, groups, extra, resourceAttributes },
  };
  const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  const { status } = await client.request<AccessReview>("POST", path, { body, timeoutMs: 5_000 });
  return status.allowed === true && status.denied !== true;
}

interface AccessReview {
  readonly status: { readonly allowed?: boolean; readonly denied?: boolean };
}

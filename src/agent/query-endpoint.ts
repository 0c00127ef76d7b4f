import type { FastifyInstance } from "fastify";
import type { NodeName } from "../api/names.ts";
import { agentServerName } from "../api/node-query.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Host } from "../host/host.ts";
import { type KeyPair, makeSelfSigned } from "../host/self-signed.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";
import { type Ip, versionOf } from "../net/ip.ts";
import { Loop } from "../reconcile/loop.ts";
import { AgentLease } from "./agent-lease.ts";
import type { Logger } from "./logger.ts";
import { type AddressSources, findAddressUses } from "./query-addresses.ts";
import type { QueryServerParts } from "./query-server.ts";
import { TokenCheck } from "./token-check.ts";

export interface QueryEndpointParts {
  readonly node: NodeName;
  /** TCP, on the Node's first InternalIP. */
  readonly port: number;
  readonly snapshot: Pick<Snapshot, "node">;
  readonly sources: AddressSources;
  readonly policiesInForce: QueryServerParts["policiesInForce"];
  readonly questions?: QueryServerParts["questions"];
  readonly client: KubeClient;
  readonly host: Host;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers questions about this node, on the address that its Node object gives it, and says in the agent's Lease where.
 * The Lease is renewed whether or not there is an endpoint.
 */
export class QueryEndpoint {
  readonly #parts: QueryEndpointParts;
  readonly #lease: AgentLease;
  readonly #tokens: TokenCheck;
  readonly #loop: Loop;
  readonly #stopped = new AbortController();
  #keyPair: KeyPair | undefined;
  #listening: { readonly ip: Ip; readonly app: FastifyInstance } | undefined;
  #pass: Promise<void> | undefined;

  constructor(parts: QueryEndpointParts) {
    const { client, clock, logger } = parts;
    this.#parts = parts;
    this.#lease = new AgentLease(parts);
    this.#tokens = new TokenCheck(client, clock);
    this.#loop = new Loop({
      pass: () => {
        this.#pass = this.#follow();
        return this.#pass;
      },
      sleep: (ms) => clock.sleep(ms, this.#stopped.signal).catch(() => undefined),
      onFailure: (error, attempt) =>
        logger.warn({ err: error, attempt }, "cannot answer questions about this node yet"),
      firstRetryMs: 500,
      maxRetryMs: 10_000,
    });
  }

  /** The Lease is renewed from now on, and the address followed. To be called once. */
  start(): void {
    this.#lease.start();
    this.touched();
  }

  /** The Node object may have changed. */
  touched(): void {
    // A failed pass is told of and repeated by the loop; only a stopped loop rejects, and then nobody waits for it.
    this.#loop.request().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#loop.stop();
    await this.#pass?.catch(() => undefined);
    await this.#listening?.app.close();
    await this.#lease.stop();
  }

  async #follow(): Promise<void> {
    const { node, snapshot, host, port, logger, policiesInForce, questions } = this.#parts;
    const ip = snapshot.node.get(node)?.internalIps[0];
    // While the Node object is gone the agent is asked where it was before.
    if (ip === undefined || ip === this.#listening?.ip || this.#stopped.signal.aborted) return;
    await this.#close();
    // A web server is a tenth of the agent's code, and no pod waits for this one.
    const { makeQueryServer } = await import("./query-server.ts");
    this.#keyPair ??= await makeSelfSigned(host, agentServerName);
    const app = makeQueryServer({
      ...{ node, logger, tokens: this.#tokens, keyPair: this.#keyPair, policiesInForce, questions },
      addressUses: (ips) => findAddressUses(this.#parts.sources, ips),
    });
    try {
      await app.listen({ host: ip, port });
    } catch (error) {
      await app.close();
      throw error;
    }
    this.#listening = { ip, app };
    const url = `https://${versionOf(ip) === 6 ? `[${ip}]` : ip}:${port}`;
    this.#lease.publish({ url, certificate: this.#keyPair.certificate });
    logger.info({ url }, "answers questions about this node");
  }

  async #close(): Promise<void> {
    const before = this.#listening;
    this.#listening = undefined;
    if (before === undefined) return;
    this.#lease.publish(undefined);
    await before.app.close();
  }
}

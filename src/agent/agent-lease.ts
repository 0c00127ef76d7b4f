import { leaseKind, resourcePath } from "../api/kinds.ts";
import { type NodeName, systemNamespace } from "../api/names.ts";
import { agentAnnotations, agentLeaseName } from "../api/node-query.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";
import type { Logger } from "./logger.ts";

/** Where the agent answers, and the certificate it shows there (PEM). */
export interface PublishedEndpoint {
  readonly url: string;
  readonly certificate: string;
}

export interface AgentLeaseParts {
  readonly node: NodeName;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn" | "info">;
}

/**
 * The Lease that says that this node's agent lives, also when the Node object is gone: nobody owns it but us. Renewed about
 * every ten seconds for as long as this process runs, made anew when it was deleted, tried again while the API server is away.
 */
export class AgentLease {
  readonly #parts: AgentLeaseParts;
  readonly #stopped = new AbortController();
  #endpoint: PublishedEndpoint | undefined;
  #wake = Promise.withResolvers<void>();
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(parts: AgentLeaseParts) {
    this.#parts = parts;
  }

  /** To be called once. */
  start(): void {
    this.#running = this.#run();
  }

  /** What the Lease says from now on; written at once. */
  publish(endpoint: PublishedEndpoint | undefined): void {
    this.#endpoint = endpoint;
    this.#wake.resolve();
  }

  /** The Lease stays, to run out: this node's pods are there without an agent as well. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!this.#stopped.signal.aborted) {
      this.#wake = Promise.withResolvers();
      try {
        await this.#renew();
        if (this.#failures > 0) logger.info({ failures: this.#failures }, "renews the agent's Lease again");
        this.#failures = 0;
      } catch (error) {
        // Once, then now and then: it is tried every few seconds.
        if (!this.#stopped.signal.aborted && this.#failures++ % 30 === 0) {
          logger.warn({ err: error }, "cannot renew the agent's Lease: trying again");
        }
      }
      const pauseMs = this.#failures === 0 ? renewEveryMs : retryMs;
      await this.#pause(pauseMs * (0.9 + clock.random() / 5));
    }
  }

  /** Until the time is over, there is something new to say, or the agent stops. */
  async #pause(ms: number): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopped.signal]);
    const slept = this.#parts.clock.sleep(ms, signal).catch(() => undefined);
    await Promise.race([slept, this.#wake.promise]);
    over.abort();
  }

  async #renew(): Promise<void> {
    const { client } = this.#parts;
    const options = { signal: this.#stopped.signal, timeoutMs: requestTimeoutMs };
    const body = this.#body();
    try {
      await client.patch(leasePath(body.metadata.name), body, { type: "merge", ...options });
    } catch (error) {
      if (!(error instanceof KubeError && error.reason === "NotFound")) throw error;
      await client.request("POST", leasePath(), {
        body: { ...body, metadata: withoutNulls(body.metadata) },
        ...options,
      });
    }
  }

  #body() {
    const { node, clock } = this.#parts;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name: agentLeaseName(node),
        namespace: systemNamespace,
        // In a merge patch null takes away what an earlier agent has published.
        annotations: {
          [agentAnnotations.endpoint]: this.#endpoint?.url ?? null,
          [agentAnnotations.certificate]: this.#endpoint?.certificate ?? null,
        },
      },
      spec: { holderIdentity: node, leaseDurationSeconds, renewTime: microTime(clock.now()) },
    };
  }
}

// --- internal ---

const renewEveryMs = 10_000;
const retryMs = 2_000;
const requestTimeoutMs = 10_000;
const leaseDurationSeconds = 40;

function leasePath(name?: string): string {
  return resourcePath(leaseKind, { namespace: systemNamespace, name });
}

/** metav1.MicroTime: RFC 3339 with microseconds. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

function withoutNulls<T extends { readonly annotations: Readonly<Record<string, string | null>> }>(metadata: T) {
  const given = Object.entries(metadata.annotations).filter(([, value]) => value !== null);
  return { ...metadata, annotations: Object.fromEntries(given) };
}

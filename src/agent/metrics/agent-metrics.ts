import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AnsweredRequest, CniObserver } from "../../cni/dependencies.ts";

/** What is counted when somebody asks. Each rejects when it cannot be told. */
export interface AgentCounts {
  /** Interfaces of pods that this node has wired. */
  readonly attachments: () => Promise<number>;
  /** DELs that came while there was no agent, and are not carried out yet. */
  readonly spooledRequests: () => Promise<number>;
  /** Releases of addresses that are owed to the API server. */
  readonly owedReleases: () => Promise<number>;
  /** Objects of the API server that cannot be read as they stand now, by kind, e.g. `GlobalNetworkPolicy`. */
  readonly rejectedObjects: () => ReadonlyMap<string, number>;
  /** Policies that some endpoint of the node has, and that are not enforced as written. */
  readonly closedPolicies: () => Promise<number>;
}

/** What one node's agent tells of itself, for Prometheus. */
export class AgentMetrics implements Pick<CniObserver, "answered"> {
  readonly #registry: Registry;
  readonly #requests: Readonly<Record<"ADD" | "DEL", Histogram<"result">>>;
  readonly #policyWait: Histogram;
  readonly #errors: Counter<"verb" | "code">;

  /** Whatever else is registered in `registry` is printed with it. */
  constructor(counts: AgentCounts, registry = new Registry()) {
    this.#registry = registry;
    const registers = [registry];
    const histogram = (name: string, help: string) =>
      new Histogram({ name, help, labelNames: ["result"], buckets: secondsBuckets, registers });
    this.#requests = {
      ADD: histogram("margay_cni_add_seconds", "How long ADDs took, by result: success or error."),
      DEL: histogram("margay_cni_del_seconds", "How long DELs took, by result: success or error."),
    };
    this.#policyWait = new Histogram({
      name: "margay_cni_policy_wait_seconds",
      help: "How long successful ADDs waited until the kernel held their pod's policy.",
      ...{ buckets: secondsBuckets, registers },
    });
    const errors = "Requests of the runtime that failed, by verb and code of the CNI specification.";
    this.#errors = new Counter({
      ...{ name: "margay_cni_errors_total", help: errors, labelNames: ["verb", "code"] as const, registers },
    });
    this.#gauge("margay_cni_attachments", "Interfaces of pods that this node has wired.", counts.attachments);
    const spool = "DELs that came while there was no agent, and are not carried out yet.";
    this.#gauge("margay_cni_spooled_requests", spool, counts.spooledRequests);
    const owed = "Releases of addresses that are still owed to the API server.";
    this.#gauge("margay_cni_owed_releases", owed, counts.owedReleases);
    const closed = "Policies in use on this node that are not enforced as written, e.g. as they are too large.";
    this.#gauge("margay_closed_policies", closed, counts.closedPolicies);
    const rejected = "Objects that cannot be read as they stand now and are set aside: a policy denies. By kind.";
    new Gauge({
      ...{ name: "margay_rejected_objects", help: rejected, labelNames: ["kind"], registers },
      collect() {
        this.reset();
        for (const [kind, count] of counts.rejectedObjects()) this.set({ kind }, count);
      },
    });
  }

  readonly answered = ({ verb, ms, code }: AnsweredRequest): void => {
    const result = code === 0 ? "success" : "error";
    if (verb === "ADD" || verb === "DEL") this.#requests[verb].observe({ result }, ms / 1000);
    // The verb may be anything that a caller has written.
    if (code !== 0) this.#errors.inc({ verb: verbs.includes(verb) ? verb : "other", code: String(code) });
  };

  policyAwaited(ms: number): void {
    this.#policyWait.observe(ms / 1000);
  }

  /** In Prometheus' text format, with its content type. Rejects when something cannot be counted. */
  async print(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #gauge(name: string, help: string, count: () => Promise<number>): void {
    new Gauge({
      ...{ name, help, registers: [this.#registry] },
      async collect() {
        this.set(await count());
      },
    });
  }
}

// --- internal ---

/** From a warm ADD to the limit of one. */
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90];

const verbs = ["ADD", "DEL", "CHECK", "STATUS", "GC"];

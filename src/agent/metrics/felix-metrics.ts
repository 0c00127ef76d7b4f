import { Counter, Gauge, Histogram, type Registry, Summary } from "prom-client";
import type { Change } from "../../api/snapshot.ts";
import type { DataplaneObserver, KernelCall, Written } from "../../felix/dataplane/dataplane-observer.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { ToldPass } from "../pass-report.ts";

/** What Felix does, in upstream's names where the meaning is upstream's, for Prometheus. What is held is in `collectFelixState`. */
export class FelixMetrics implements Pick<DataplaneObserver, "called" | "waitedForLock"> {
  readonly #calls: Readonly<Record<KernelCall["what"], CallCounters | undefined>>;
  readonly #iptablesLines: Counter<"ip_version" | "table">;
  readonly #ipsetLines: Counter;
  readonly #execMicros: Summary;
  readonly #lockWaits: Histogram<"ip_version">;
  readonly #applySeconds: Summary;
  readonly #failures: Counter;
  readonly #updates: Counter<"type">;
  readonly #messages: Counter<"type">;
  readonly #batches: Summary;
  readonly #firstSeconds: Gauge;
  readonly #programming: Histogram<"kind">;
  readonly #written: Histogram<"what">;
  readonly #removed: Counter<"what">;
  readonly #repairs: Counter<"part">;
  readonly #resyncs: Counter;
  readonly #logErrors: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    const summary = (name: string, help: string) => new Summary({ name, help, registers, ...recent });
    const calls = (prefix: string, [singular, plural]: readonly [string, string]) => ({
      all: counter(`felix_${prefix}calls`, `Calls of ${singular}.`),
      failed: counter(`felix_${prefix}errors`, `${plural} that failed.`),
    });
    this.#calls = {
      "iptables-restore": calls("iptables_restore_", ["iptables-restore", "Calls of iptables-restore"]),
      "iptables-save": calls("iptables_save_", ["iptables-save", "Calls of iptables-save"]),
      ipset: calls("ipset_", ["ipset, or of the kernel for its sets", "Calls for sets"]),
      "set-netlink": undefined,
      nft: calls("nft_", ["nf_tables, each a transaction", "Transactions of nf_tables"]),
      other: undefined,
    };
    const lines = "Lines that iptables-restore has executed, by family and table.";
    this.#iptablesLines = new Counter({
      ...{
        name: "felix_iptables_lines_executed",
        help: lines,
        registers,
        labelNames: ["ip_version", "table"] as const,
      },
    });
    this.#ipsetLines = counter("felix_ipset_lines_executed", "Changes of sets that were executed.");
    this.#execMicros = summary("felix_exec_time_micros", "How long programs that were started took, in microseconds.");
    const waits = "How long iptables waited for the lock that another process had. Never told while it was free.";
    this.#lockWaits = new Histogram({
      ...{ name: "margay_iptables_lock_wait_seconds", help: waits, labelNames: ["ip_version"], buckets: lockBuckets },
      registers,
    });
    this.#applySeconds = summary(
      "felix_int_dataplane_apply_time_seconds",
      "How long passes took that had something to apply.",
    );
    this.#failures = counter("felix_int_dataplane_failures", "Passes that failed; each is tried again.");
    const updates = "Changes that have come, by kind of object, those that are nothing to this node too.";
    this.#updates = new Counter({
      ...{ name: "felix_calc_graph_updates_processed", help: updates, labelNames: ["type"] as const, registers },
    });
    const messages = "Changes that passes have answered to, by kind of object.";
    this.#messages = new Counter({
      ...{ name: "felix_int_dataplane_messages", help: messages, labelNames: ["type"] as const, registers },
    });
    this.#batches = summary("felix_int_dataplane_msg_batch_size", "Changes that one pass answered to.");
    const first = "How long the first pass took, which brings in what there was at the start.";
    this.#firstSeconds = new Gauge({ name: "felix_int_dataplane_initial_resync_time_seconds", help: first, registers });
    const programming =
      "From the moment changes came from the API server to the kernel's acknowledgement, by kind of object: once a kind for " +
      "changes that came together, and only if the kernel was to hold something else.";
    this.#programming = new Histogram({
      ...{ name: "margay_policy_programming_seconds", help: programming, labelNames: ["kind"], registers },
      buckets: programmingBuckets,
    });
    const written = "How much a pass has written, by what: chains, rules, sets, members of sets, routes.";
    this.#written = new Histogram({
      ...{ name: "margay_apply_written", help: written, labelNames: ["what"], buckets: sizeBuckets, registers },
    });
    const removed = "How much passes have taken away, by what.";
    this.#removed = new Counter({ name: "margay_apply_removed_total", help: removed, labelNames: ["what"], registers });
    const repairs = "What of ours the kernel was found not to hold as it was written, and was put right, by part.";
    this.#repairs = new Counter({ name: "margay_drift_repairs_total", help: repairs, labelNames: ["part"], registers });
    this.#resyncs = counter("felix_resyncs_started", "How often everything was read anew from the API server.");
    this.#logErrors = counter("felix_log_errors", "Lines of the log that could not be written.");
    for (const part of ["rules", "sets", "routes", "shaping"]) this.#repairs.inc({ part }, 0);
  }

  readonly called = ({ what, version, ms, failed, lines, started }: KernelCall): void => {
    const counters = this.#calls[what === "set-netlink" ? "ipset" : what];
    counters?.all.inc();
    if (failed) counters?.failed.inc();
    if (started) this.#execMicros.observe(ms * 1000);
    for (const [table, count] of lines) {
      if (what === "iptables-restore") this.#iptablesLines.inc({ ip_version: `IPv${version ?? 4}`, table }, count);
      else if (what === "ipset" || what === "set-netlink") this.#ipsetLines.inc(count);
    }
  };

  readonly waitedForLock = (version: IpVersion, ms: number): void => {
    this.#lockWaits.observe({ ip_version: `IPv${version}` }, ms / 1000);
  };

  /** For `PassReport`. */
  readonly received = (changes: readonly Change[]): void => {
    for (const { kind } of changes) this.#updates.inc({ type: kind });
  };

  /** For `PassReport`. */
  readonly applied = ({ ms, written, causes, at, isFirst }: ToldPass): void => {
    this.#applySeconds.observe(ms / 1000);
    let changes = 0;
    for (const [type, count] of causes.counts) {
      this.#messages.inc({ type }, count);
      changes += count;
    }
    this.#batches.observe(changes);
    for (const { what, removedAs } of things) {
      const [added, removed] = [written[what] ?? 0, written[removedAs] ?? 0];
      if (added > 0) this.#written.observe({ what }, added);
      if (removed > 0) this.#removed.inc({ what }, removed);
    }
    if (isFirst) this.#firstSeconds.set(ms / 1000);
    else for (const { kind, at: came } of causes.arrivals) this.#programming.observe({ kind }, (at - came) / 1000);
  };

  /** For `PassReport`. */
  readonly failed = (): void => this.#failures.inc();

  /** So many pieces of a part (`rules`, `sets`, `routes`, `shaping`, `sysctls` …) were found drifted, and put right. */
  readonly repaired = (part: string, count: number): void => this.#repairs.inc({ part }, count);

  /** Everything is read anew from the API server. */
  readonly resyncStarted = (): void => this.#resyncs.inc();

  /** A line of the log could not be written. */
  readonly logFailed = (): void => this.#logErrors.inc();
}

// --- internal ---

interface CallCounters {
  readonly all: Counter;
  readonly failed: Counter;
}

const things: readonly { readonly what: keyof Written; readonly removedAs: keyof Written }[] = [
  { what: "chains", removedAs: "chainsRemoved" },
  { what: "rules", removedAs: "rulesRemoved" },
  { what: "sets", removedAs: "setsRemoved" },
  { what: "members", removedAs: "membersRemoved" },
  { what: "routes", removedAs: "routesRemoved" },
];

/** Quantiles of the last ten minutes. */
const recent = { percentiles: [0.5, 0.9, 0.99], maxAgeSeconds: 600, ageBuckets: 5 };
/** Around the targets: half within 10 ms, all but one of a hundred within 50. */
const programmingBuckets = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const lockBuckets = [0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30];
const sizeBuckets = [1, 10, 100, 1_000, 10_000, 100_000];

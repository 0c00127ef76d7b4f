import { isDeepStrictEqual } from "node:util";
import type { Registry } from "prom-client";
import type { NodeName } from "../api/names.ts";
import type { Change, KindName, Snapshot } from "../api/snapshot.ts";
import { NodeCalculator } from "../felix/calc/node-calculator.ts";
import type { NodePlan } from "../felix/calc/plan.ts";
import { movedAddresses } from "../felix/calc/verdict/touched-endpoints.ts";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import { dataplaneTimeoutMs } from "../felix/config/health-timeouts.ts";
import { foreignSources } from "../felix/render/foreign-sources.ts";
import type { RenderOptions } from "../felix/render/options.ts";
import type { Host } from "../host/host.ts";
import { openConntrackNetlink } from "../host/netlink/conntrack-netlink.ts";
import { openNftables } from "../host/netlink/nftables-netlink.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { openSetNetlink } from "../host/netlink/set-netlink.ts";
import { openTrafficControl } from "../host/netlink/traffic-netlink.ts";
import { readSysctl } from "../host/sysctl.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import { Loop } from "../reconcile/loop.ts";
import { type Backend, Backends } from "./backends.ts";
import { ConnectionKeeper } from "./connection-keeper.ts";
import { DriftGuard } from "./drift-guard.ts";
import { Felix } from "./felix.ts";
import { dataplaneHealth } from "./health/agent-health.ts";
import type { PartHealth } from "./health/health-board.ts";
import type { Logger } from "./logger.ts";
import type { FelixMetrics } from "./metrics/felix-metrics.ts";
import { collectFelixState, type FelixState } from "./metrics/felix-state.ts";
import { PolicyCounters } from "./metrics/policy-counters.ts";
import { PassReport } from "./pass-report.ts";
import { bgpRenderOptions } from "./settings/bgp-render-options.ts";
import { renderOptionsOf } from "./settings/render-options-of.ts";

export interface NodeFelixParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly host: Host;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly metrics: Pick<FelixMetrics, "received" | "applied" | "failed" | "repaired" | "called" | "waitedForLock">;
  readonly sync: FelixState["sync"];
  /** Told whenever the kernel has acknowledged something. */
  readonly onApplied?: () => void;
  /** As `FelixParts.podsToCome`. */
  readonly podsToCome: () => number;
}

/**
 * Felix with all that belongs to it on a node, as the settings want it:
 *
 *     changes ─▶ Felix ─▶ Backend ─▶ kernel ─▶ DriftGuard ─▶ Felix
 *                  └────▶ ConnectionKeeper: connections that changed policy forbids
 */
export class NodeFelix {
  readonly #parts: NodeFelixParts;
  readonly #backends: Backends;
  readonly #passes: PassReport;
  readonly #felix: Felix;
  readonly #guard: DriftGuard;
  readonly #connections = openConntrackNetlink();
  readonly #keeper: ConnectionKeeper;
  /** Brings the backend to the settings; what fails is tried again. */
  readonly #configuring: Loop;
  #settings: FelixSettings | undefined;
  #isBeginning = false;
  #backend: Backend | undefined;
  #renderOptions: RenderOptions | undefined;

  /** Throws a `SystemError` when the kernel gives no netlink socket. */
  constructor(parts: NodeFelixParts) {
    this.#parts = parts;
    const { node, host, clock, logger, metrics, snapshot } = parts;
    this.#passes = new PassReport({
      ...{ clock, logger, isToldOfWrites: true },
      onReceived: metrics.received,
      onApplied: (pass) => {
        metrics.applied(pass);
        this.#keeper.applied(pass.plan);
        this.#guard.wrote();
        this.#guard.allowForeignSources(foreignSenders(pass.plan.endpoints, this.#renderOptions));
        parts.onApplied?.();
      },
      onFailed: metrics.failed,
    });
    const { wrote } = this.#passes;
    const { called, waitedForLock } = metrics;
    this.#backends = new Backends({
      ...{ host, clock, observer: { wrote, called, waitedForLock }, hasIpv6: hasIpv6() },
      ...{ netlink: openNetlink(), sets: openSetNetlink(), nftables: openNftables() },
      trafficControl: openTrafficControl(),
      report: (level, message, facts = {}) => logger[level](facts, message),
    });
    this.#keeper = new ConnectionKeeper({ clock, logger });
    this.#felix = new Felix({
      ...{ clock, logger, calculator: new NodeCalculator(node), observer: this.#passes, podsToCome: parts.podsToCome },
      beforeApply: async (before, next) => {
        const moved = movedAddresses(before?.endpoints ?? new Map(), next.endpoints);
        if (moved.length > 0) await this.forgetConnections(moved);
      },
    });
    this.#guard = new DriftGuard({ clock, logger, snapshot, felix: this.#felix, metrics });
    this.#configuring = new Loop({
      pass: () => this.#configure(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      onFailure: (err, attempt) => logger.error({ err, attempt }, "cannot use the backend that the settings ask for"),
      ...{ firstRetryMs: 250, maxRetryMs: 30_000 },
    });
    this.#collect();
  }

  /** What holds from now on. It comes into force by itself, without a gap, once it has begun. */
  configure(settings: FelixSettings): void {
    this.#settings = settings;
    // Before, not all that the settings come from has been read.
    if (!this.#isBeginning) return;
    // It rejects only when stopped, and then nobody waits for it.
    this.#configuring.request().catch(() => undefined);
  }

  /** The first full list is in: passes may run. Resolves when the kernel holds the plan for the first time. After `configure`. */
  async begin(): Promise<void> {
    this.#isBeginning = true;
    await this.#configuring.request();
    await this.#felix.begin();
    this.#guard.start();
  }

  get hasBegun(): boolean {
    return this.#felix.hasBegun;
  }

  /** As `Felix.apply`. */
  apply(changes: readonly Change[], receivedAt?: number): Promise<void> {
    if (this.#isBeginning && changes.some(({ kind }) => kind === "ipPool")) this.#guard.forward();
    if (this.#settings !== undefined && changes.some(({ kind }) => bgpKinds.includes(kind)))
      this.configure(this.#settings);
    const planned = changes.filter(({ kind }) => !unplanned.has(kind));
    // The first list is told in any case: it may be of nothing.
    if (planned.length === 0 && changes.length > 0) return Promise.resolve();
    return this.#felix.apply(planned, receivedAt);
  }

  /** Makes the kernel forget every connection of these addresses. */
  forgetConnections(addresses: readonly Ip[]): Promise<void> {
    return this.#connections.forget(addresses);
  }

  /** As `Felix.policyFaults`. */
  policyFaults(hostInterface: string): Promise<readonly string[]> {
    return this.#felix.policyFaults(hostInterface);
  }

  /** As `Felix.policiesInForce`. */
  policiesInForce(): ReturnType<Felix["policiesInForce"]> {
    return this.#felix.policiesInForce();
  }

  /** The workloads' endpoints as the kernel has acknowledged them last; undefined before the first pass. */
  get endpointsInForce(): NodePlan["endpoints"] | undefined {
    return this.#passes.inForce?.plan.endpoints;
  }

  /** As `Felix.closedPolicies`. */
  get closedPolicies(): number {
    return this.#felix.closedPolicies;
  }

  health(): PartHealth {
    return dataplaneHealth(this.#passes, this.#settings === undefined ? 0 : dataplaneTimeoutMs(this.#settings));
  }

  /**
   * No pass and no proof begins any more; the kernel keeps what it has. Sockets and programs are given up once the pass that is
   * under way has ended, which is not waited for.
   */
  async stop(): Promise<void> {
    this.#configuring.stop();
    this.#felix.stop();
    void Promise.all([this.#configuring.ended(), this.#felix.ended()]).then(() => {
      this.#backends.close();
      this.#connections.close();
    });
    await this.#keeper.stop();
    await this.#guard.stop();
  }

  async #configure(): Promise<void> {
    const settings = this.#settings;
    if (settings === undefined) throw new Error("Cannot configure Felix before there are settings");
    // It hangs on no backend, and BGP announces pods meanwhile.
    this.#guard.forward(settings);
    const backend = await this.#backends.choose(settings);
    const kind = backend.name === "nftables" ? "nftables" : "iptables";
    const bgp = bgpRenderOptions(this.#parts.snapshot);
    const options = renderOptionsOf(settings, { hasIpv6: hasIpv6(), backend: kind }, bgp);
    // What is rendered is remembered by them.
    if (!isDeepStrictEqual(options, this.#renderOptions)) this.#renderOptions = options;
    this.#backend = backend;
    this.#felix.use({ dataplane: backend.dataplane, renderOptions: this.#renderOptions ?? options });
    this.#guard.configure(settings, backend.name);
    this.#keeper.configure(settings.policyChangeConnections);
  }

  #collect(): void {
    const { registry, node, snapshot, sync, clock, logger } = this.#parts;
    const inForce = () => this.#passes.inForce;
    collectFelixState(registry, {
      ...{ node, snapshot, sync, inForce },
      backend: () => (this.#backend?.name === "nftables" ? "nftables" : "iptables"),
      hasConflictingVariants: () => (this.#backend?.conflicts.length ?? 0) > 0,
    });
    new PolicyCounters(registry, {
      ...{ mostPolicies: 200, clock, logger },
      source: () => this.#backend?.counters ?? noCounters,
      inForce: () => inForce()?.state,
      marks: () => this.#renderOptions?.marks,
    });
  }
}

// --- internal ---

/** Kinds that no plan of Felix is made from. */
const unplanned: ReadonlySet<KindName> = new Set(["calicoNodeStatus", "service", "bgpFilter"]);

/** Of which rules depend on the settings of BGP. */
const bgpKinds: readonly KindName[] = ["bgpConfiguration", "bgpPeer"];

function hasIpv6(): boolean {
  return readSysctl(undefined, "ipv6/conf/all/disable_ipv6") !== undefined;
}

/** The interfaces of IPv4 workloads that may send from addresses that are not theirs. */
function foreignSenders(endpoints: NodePlan["endpoints"], options: RenderOptions | undefined): ReadonlySet<string> {
  if (options?.foreignSources !== true) return new Set();
  const names = foreignSources(endpoints, 4).map(({ hostInterface }) => hostInterface);
  // One without addresses is being wired: its interface need not be there yet.
  return new Set(names.filter((name) => endpoints.get(name)?.addresses.length));
}

const noCounters = { read: async () => [], places: () => [] };

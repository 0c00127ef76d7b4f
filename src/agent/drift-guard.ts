import type { IpPool } from "../api/ip-pool.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import type { DriftPart } from "../felix/dataplane/dataplane.ts";
import { partsOfEvent, type RulesBackend, touchesOurs } from "../felix/dataplane/event-parts.ts";
import { foreignSourcesProblem, reversePathProblem } from "../felix/dataplane/link-faults.ts";
import { LinkKeeper } from "../felix/dataplane/link-keeper.ts";
import { Sentinel } from "../felix/dataplane/sentinel.ts";
import { forwardingSettings, type Setting } from "../host/host-settings.ts";
import type { KernelMonitor } from "../host/netlink/kernel-event.ts";
import { openMonitor } from "../host/netlink/monitor.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { readSysctl, writeSysctl } from "../host/sysctl.ts";
import { cidrVersion } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import { workloadInterfacePrefix } from "../net/workload-interface-prefix.ts";
import { DriftReport } from "./drift-report.ts";
import type { Felix } from "./felix.ts";
import type { Logger } from "./logger.ts";
import type { FelixMetrics } from "./metrics/felix-metrics.ts";

export interface DriftGuardParts {
  readonly snapshot: Pick<Snapshot, "attachment" | "ipPool">;
  readonly felix: Felix;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<FelixMetrics, "repaired">;
}

/** Looks after what is ours in the kernel, on this node's own network, as it is configured. */
export class DriftGuard {
  readonly #parts: DriftGuardParts;
  readonly #netlink = openNetlink();
  readonly #links: LinkKeeper;
  readonly #sentinel: Sentinel;
  #settings: FelixSettings | undefined;
  #backend: RulesBackend | undefined;
  #monitor: KernelMonitor | undefined;
  #isStarted = false;
  #isCheckDue = false;
  #isStrictTold = false;
  readonly #stopped = new AbortController();

  constructor(parts: DriftGuardParts) {
    this.#parts = parts;
    const { snapshot, felix, clock, logger, metrics } = parts;
    this.#links = new LinkKeeper({
      ...{ netlink: this.#netlink, interfacePrefix: workloadInterfacePrefix },
      wanted: () => {
        const wired = [...snapshot.attachment.values()].filter(({ addresses }) => addresses.length > 0);
        return new Map(wired.map((one) => [one.hostInterface, one]));
      },
      nodeSettings: () => (this.#settings?.ipForwarding ? forwardingOf(snapshot.ipPool.values()) : []),
      readSetting: (key) => readSysctl(undefined, key),
      writeSetting: (key, value) => writeSysctl(undefined, key, value),
    });
    const report = new DriftReport({ clock, logger });
    this.#sentinel = new Sentinel({
      ...{ clock, provers: [this.#links, felix], periodsMs: this.#periods() },
      partsOf: (event) => partsOfEvent(event, { state: felix.applied, links: this.#links }),
      onRepaired: (repair) => {
        report.repaired(repair);
        metrics.repaired(repair.part, repair.found.length);
      },
      onFailure: (err) => logger.error({ err }, "cannot prove what the kernel holds: trying again"),
    });
  }

  /** What holds from now on: how often to look, and which events are about our rules. */
  configure(settings: FelixSettings, backend: RulesBackend): void {
    this.#settings = settings;
    const isOther = backend !== this.#backend;
    this.#backend = backend;
    if (!this.#isStarted) return;
    if (isOther) this.#follow();
    // The periods may be others; and what the old monitor had not told yet is lost.
    this.#sentinel.suspect(isOther ? everyPart : ["settings"]);
  }

  /** Lets this node forward packets, if the settings have it so. Of itself it knows neither other settings nor other pools. */
  forward(settings = this.#settings): void {
    this.#settings = settings;
    try {
      this.#links.setNode();
    } catch (err) {
      this.#parts.logger.error({ err }, "cannot let the node forward packets: trying again");
      this.#sentinel.suspect(["settings"]);
    }
  }

  /** To be called once, when the kernel has held everything for the first time, and after `configure`. */
  start(): void {
    this.#isStarted = true;
    const problem = reversePathProblem(readSysctl(undefined, allReversePath));
    if (problem !== undefined) this.#parts.logger.warn({ problem }, "the node's own check of sources is weak");
    this.#follow();
    this.#sentinel.start();
  }

  /** The workloads behind these interfaces may send from addresses of IPv4 that are not theirs, and no others. */
  allowForeignSources(hostInterfaces: ReadonlySet<string>): void {
    const { logger } = this.#parts;
    try {
      this.#links.leaveUnchecked(hostInterfaces);
      const problem =
        hostInterfaces.size === 0 ? undefined : foreignSourcesProblem(readSysctl(undefined, allReversePath));
      if (problem !== undefined && !this.#isStrictTold) logger.warn({ problem }, "workloads cannot send as they may");
      this.#isStrictTold = problem !== undefined;
    } catch (err) {
      logger.warn({ err }, "cannot set what the kernel checks of workloads' sources: trying again");
      this.#sentinel.suspect(["settings"]);
    }
  }

  /** Rules have been written. Where the kernel tells of nobody's changes, they are soon read back once. */
  wrote(): void {
    const afterMs = this.#settings?.iptablesPostWriteCheckIntervalMs ?? 0;
    if (!this.#isStarted || this.#backend !== "iptables-legacy" || afterMs === 0 || this.#isCheckDue) return;
    this.#isCheckDue = true;
    const check = () => {
      this.#isCheckDue = false;
      this.#sentinel.suspect(["rules"]);
    };
    this.#parts.clock.sleep(afterMs, this.#stopped.signal).then(check, () => undefined);
  }

  /** Resolves when no proof runs any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#sentinel.stop();
    await this.#monitor?.close();
    this.#netlink.close();
  }

  #follow(): void {
    const { clock, logger } = this.#parts;
    void this.#monitor?.close();
    this.#monitor = undefined;
    const ended = (err: unknown) => {
      logger.error({ err }, "cannot follow the kernel's events: trying again; meanwhile it is looked at by period");
      const again = () => {
        this.#follow();
        this.#sentinel.suspect(everyPart);
      };
      clock.sleep(followAgainMs, this.#stopped.signal).then(again, () => undefined);
    };
    try {
      this.#monitor = this.#open(ended);
    } catch (error) {
      ended(error);
    }
  }

  #open(onEnd: (error: unknown) => void): KernelMonitor {
    return openMonitor({
      follows: touchesOurs(this.#backend ?? "iptables-nft"),
      onEvent: (event) => this.#sentinel.take(event),
      onEnd,
    });
  }

  /** Read anew each time: the settings may have changed. */
  #periods(): Readonly<Partial<Record<DriftPart, number>>> {
    const settings = () => this.#settings;
    const isNft = () => this.#backend === "nftables";
    return {
      get rules() {
        return (isNft() ? settings()?.nftablesRefreshIntervalMs : settings()?.iptablesRefreshIntervalMs) ?? 0;
      },
      // Natively they are proven with the rules.
      get sets() {
        return isNft() ? 0 : (settings()?.ipsetsRefreshIntervalMs ?? 0);
      },
      get routes() {
        return settings()?.routeRefreshIntervalMs ?? 0;
      },
      get links() {
        return settings()?.interfaceRefreshIntervalMs ?? 0;
      },
      get settings() {
        return settings()?.interfaceRefreshIntervalMs ?? 0;
      },
    };
  }
}

// --- internal ---

/** IPv6 once some pool has IPv6 addresses, since a node that forwards IPv6 takes no router advertisements any more. */
function forwardingOf(pools: Iterable<IpPool>): readonly Setting[] {
  return forwardingSettings(new Set([...pools].map(({ spec }) => cidrVersion(spec.cidr))));
}

const everyPart: readonly DriftPart[] = ["rules", "sets", "routes", "links", "settings"];
const followAgainMs = 5_000;
const allReversePath = "ipv4/conf/all/rp_filter";

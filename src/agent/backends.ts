import { isDeepStrictEqual } from "node:util";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import { Dataplane, type RouteDriver, type RulesDriver, type ShapingDriver } from "../felix/dataplane/dataplane.ts";
import type { DataplaneObserver } from "../felix/dataplane/dataplane-observer.ts";
import type { RulesBackend } from "../felix/dataplane/event-parts.ts";
import { findPrograms, type IptablesVariant, variantPrograms } from "../felix/dataplane/iptables-programs.ts";
import { IptablesRules } from "../felix/dataplane/iptables-rules.ts";
import {
  backendConflicts,
  type ChosenBackend,
  chooseBackend,
  type ObservedBackends,
  observeBackends,
} from "../felix/dataplane/iptables-variant.ts";
import { LockWatch } from "../felix/dataplane/lock-watch.ts";
import { NftRules } from "../felix/dataplane/nft-rules.ts";
import { observedHost } from "../felix/dataplane/observed-host.ts";
import { observedNetlink, observedNftables, observedSets } from "../felix/dataplane/observed-netlink.ts";
import { NetlinkQdiscDriver } from "../felix/dataplane/qdisc-driver.ts";
import { ReplacingRules, type RetiredRules } from "../felix/dataplane/replacing-rules.ts";
import { NetlinkRouteDriver } from "../felix/dataplane/route-driver.ts";
import { iptablesCounters, nftCounters, type RuleCounterSource } from "../felix/dataplane/rule-counters.ts";
import { printTable } from "../felix/render/iptables.ts";
import type { Host } from "../host/host.ts";
import type { Netlink } from "../host/netlink/netlink.ts";
import type { Nftables } from "../host/netlink/nftables.ts";
import type { SetNetlink } from "../host/netlink/set-netlink.ts";
import type { TrafficControl } from "../host/netlink/traffic-control.ts";
import type { Clock } from "../net/clock.ts";
import { workloadInterfacePrefix } from "../net/workload-interface-prefix.ts";

/** What carries rules, sets, routes and shaping into the kernel, as the settings want it. */
export interface Backend {
  readonly name: RulesBackend;
  readonly dataplane: Dataplane;
  readonly counters: RuleCounterSource;
  /** What stands in its way on the node, in sentences. */
  readonly conflicts: readonly string[];
}

export interface BackendsParts {
  readonly host: Host;
  /** All of one network namespace, `host`'s; `close` closes them. */
  readonly netlink: Netlink;
  readonly sets: SetNetlink;
  readonly nftables: Nftables;
  readonly trafficControl: TrafficControl;
  /** Without IPv6 in the kernel nothing of it can be there. */
  readonly hasIpv6: boolean;
  readonly observer: DataplaneObserver;
  readonly clock: Clock;
  readonly report: (level: "info" | "warn", message: string, facts?: Readonly<Record<string, unknown>>) => void;
}

/**
 * Chooses the backend, and puts one in another's place: the old one's rules go after the new one's are in force. The backends share
 * all else.
 */
export class Backends {
  readonly #parts: BackendsParts;
  readonly #shapings: ShapingDriver;
  /** By name: those of before, whose rules are to go when another is chosen. */
  readonly #rules = new Map<RulesBackend, RulesDriver & RetiredRules & Partial<Pick<IptablesRules, "close">>>();
  #last: { readonly reasons: Reasons; readonly backend: Backend } | undefined;
  /** What the node has, looked at while the first settings are still being read. */
  #first: Promise<Observed> | undefined;
  readonly #firstAt: number;

  constructor(parts: BackendsParts) {
    this.#parts = parts;
    this.#firstAt = parts.clock.monotonicNow();
    this.#first = this.#observe();
    // Whoever asks for it hears of it.
    this.#first.catch(() => undefined);
    const { netlink, trafficControl, report } = parts;
    this.#shapings = new NetlinkQdiscDriver({
      ...{ netlink, trafficControl, interfacePrefix: workloadInterfacePrefix },
      onRefused: (hostInterface, err) =>
        report("warn", "cannot shape a pod's traffic as it asks", { interface: hostInterface, err }),
    });
  }

  /** The backend for these settings: the same object while nothing that it depends on has changed. Rejects when it cannot be had. */
  async choose(settings: FelixSettings): Promise<Backend> {
    const reasons = reasonsOf(settings);
    if (this.#last !== undefined && isDeepStrictEqual(this.#last.reasons, reasons)) return this.#last.backend;
    const { report } = this.#parts;
    const isFresh = this.#parts.clock.monotonicNow() - this.#firstAt < freshMs;
    const looking = (isFresh ? this.#first : undefined) ?? this.#observe();
    this.#first = undefined;
    const { tables, observed } = await looking;
    const chosen = chooseBackend(settings, observed);
    // What a pass that is under way is about to write cannot be seen yet.
    const isLeft = (name: RulesBackend) =>
      name !== nameOf(chosen) && (this.#rules.has(name) || leftIn(name, observed, tables));
    const conflicts = backendConflicts(chosen, observed);
    const facts = { backend: nameOf(chosen), reason: chosen.reason, replaces: names.filter(isLeft) };
    report("info", "chose how rules go into the kernel", facts);
    for (const conflict of conflicts) report("warn", "others' rules stand elsewhere", { conflict });
    const backend = await this.#make(nameOf(chosen), { settings, conflicts, isLeft });
    this.#last = { reasons, backend };
    return backend;
  }

  /** Ends the programs that are kept running, and closes the sockets: to be called when nothing is applied or asked any more. */
  close(): void {
    const { netlink, sets, nftables, trafficControl } = this.#parts;
    for (const one of this.#rules.values()) one.close?.();
    for (const one of [netlink, sets, nftables, trafficControl]) one.close();
  }

  async #observe(): Promise<Observed> {
    const { host, nftables } = this.#parts;
    const tables = (await Promise.all(([4, 6] as const).map((version) => nftables.tables(version)))).flat();
    return { tables, observed: await observeBackends(host, tables.includes("kube-proxy")) };
  }

  async #make(
    name: RulesBackend,
    { settings, conflicts, isLeft }: Pick<Backend, "conflicts"> & { settings: FelixSettings; isLeft: IsLeft },
  ): Promise<Backend> {
    const { nftables, host, report } = this.#parts;
    const rules = await this.#rulesOf(name);
    // What an earlier choice has written must be read anew.
    rules.forget();
    const retired = await Promise.all(names.filter(isLeft).map((one) => this.#rulesOf(one)));
    const variant = variantOf(name);
    const counters =
      variant === undefined
        ? nftCounters(nftables)
        : iptablesCounters({ host, print: printTable, savers: await this.#saversOf(variant) });
    const dataplane = new Dataplane({
      rules: new ReplacingRules(rules, retired, {
        sharesSets: variant !== undefined,
        onFailure: (err) => report("warn", "cannot take away another backend's rules: trying again", { err }),
      }),
      routes: this.#routesOf(settings),
      shapings: this.#shapings,
    });
    return { name, dataplane, counters, conflicts };
  }

  async #rulesOf(name: RulesBackend): Promise<RulesDriver & RetiredRules> {
    const known = this.#rules.get(name);
    if (known !== undefined) return known;
    const { host, sets, nftables, observer, clock } = this.#parts;
    const now = () => clock.monotonicNow();
    const variant = variantOf(name);
    const made =
      variant === undefined
        ? new NftRules(observedNftables(nftables, observer, now))
        : new IptablesRules({
            host: observedHost(host, observer, now),
            sets: observedSets(sets, observer, now),
            print: printTable,
            programs: await findPrograms(host, variant),
            // The other variant's programs share no lock.
            ...(variant === "legacy" ? { lockWatch: new LockWatch({ host, clock, observer }) } : {}),
            versions: this.#parts.hasIpv6 ? [4, 6] : [4],
          });
    this.#rules.set(name, made);
    return made;
  }

  async #saversOf(variant: IptablesVariant) {
    const programs = await findPrograms(this.#parts.host, variant);
    return { 4: programs[4].save, 6: programs[6].save };
  }

  #routesOf({ deviceRouteProtocol, removeExternalRoutes, routeSyncDisabled }: FelixSettings): RouteDriver {
    if (routeSyncDisabled) return noRoutes;
    const { netlink, observer } = this.#parts;
    return new NetlinkRouteDriver(observedNetlink(netlink, observer), workloadInterfacePrefix, {
      ...{ protocol: deviceRouteProtocol, removesExternal: removeExternalRoutes },
    });
  }
}

// --- internal ---

/** At boot the node's other software comes up beside the agent: what was seen longer ago is looked at again. */
const freshMs = 5_000;

const names: readonly RulesBackend[] = ["iptables-nft", "iptables-legacy", "nftables"];

interface Observed {
  /** Of nf_tables, of both families. */
  readonly tables: readonly string[];
  readonly observed: ObservedBackends;
}

type IsLeft = (name: RulesBackend) => boolean;

/** What a backend depends on. */
type Reasons = Pick<
  FelixSettings,
  "iptablesBackend" | "nftablesMode" | "deviceRouteProtocol" | "removeExternalRoutes" | "routeSyncDisabled"
>;

function reasonsOf(settings: FelixSettings): Reasons {
  const { iptablesBackend, nftablesMode, deviceRouteProtocol, removeExternalRoutes, routeSyncDisabled } = settings;
  return { iptablesBackend, nftablesMode, deviceRouteProtocol, removeExternalRoutes, routeSyncDisabled };
}

function nameOf(chosen: ChosenBackend): RulesBackend {
  return chosen.kind === "nftables" ? "nftables" : `iptables-${chosen.variant}`;
}

/** Undefined: none of iptables'. */
function variantOf(name: RulesBackend): IptablesVariant | undefined {
  return (Object.keys(variantPrograms) as IptablesVariant[]).find((variant) => name === `iptables-${variant}`);
}

/** Whether something of ours stands there. */
function leftIn(name: RulesBackend, { iptables }: ObservedBackends, tables: readonly string[]): boolean {
  const variant = variantOf(name);
  return variant === undefined ? tables.includes("calico") : iptables[variant].ours;
}

/** Upstream's `routeSyncDisabled`: somebody else takes care of them. */
const noRoutes: RouteDriver = {
  upsert: async () => undefined,
  prune: async () => undefined,
  drift: async () => [],
  forget: () => undefined,
};

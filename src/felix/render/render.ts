import type { NodePlan } from "../calc/plan.ts";
import type { DesiredState, Rule, Table, TableKey, TableName } from "./desired-state.ts";
import { dscpChain, dscpRules, dscpSources } from "./dscp-chain.ts";
import { type FixedTable, fixedTables } from "./fixed-chains.ts";
import { floatingAddresses } from "./floating-ips.ts";
import { type ForeignSource, foreignSourceRules, foreignSources, foreignSourcesChain } from "./foreign-sources.ts";
import { type HostLayouts, hostChains, hostLayouts } from "./host-chains.ts";
import { IpSets } from "./ip-sets.ts";
import { Latest } from "./latest.ts";
import { floatingChains } from "./nat-chains.ts";
import { type Family, outsideFilter, type RenderOptions } from "./options.ts";
import { remember } from "./remember.ts";
import { routes } from "./routes.ts";
import { shapings } from "./shaping.ts";
import { type Chains, type JudgingChain, type Maps, TableChains } from "./table-chains.ts";
import { WorkloadChains, type WorkloadParts } from "./workload-chains.ts";

/**
 * The plan in the kernel's terms, for each family of `options.versions`. A pure function, but that what two plans have in common
 * is the same object in both results: rules, chains, sets, maps and whole tables. So a plan that differs little from the last one
 * of the same options costs little. The order within the maps means nothing.
 *
 *   raw    PREROUTING ─▶ cali-PREROUTING: loopback destinations and spoofed sources dropped
 *                        ├▶ {cali-rpf-skip: the latter, but for what workloads may send from}
 *                        └▶ [cali-from-host-endpoint ─▶ cali-fh-<if>: untracked]
 *          [OUTPUT ────▶ cali-OUTPUT ─▶ cali-to-host-endpoint ─▶ cali-th-<if>: untracked]
 *   mangle [PREROUTING ─▶ cali-PREROUTING ─▶ cali-from-host-endpoint ─▶ cali-fh-<if>: before DNAT]
 *          [POSTROUTING ▶ cali-POSTROUTING ▶ cali-to-host-endpoint ───▶ cali-th-<if>: the node's own, after DNAT]
 *          {POSTROUTING ▶ cali-POSTROUTING ▶ cali-egress-dscp: code points}
 *   filter FORWARD ─▶ cali-FORWARD ─▶ [cali-from-hep-forward ─▶ cali-fhfw-<if>]
 *                                  ├▶ cali-from-wl-dispatch ──▶ cali-fw-<if> ─▶ cali-po-<policy>
 *                                  ├▶ cali-to-wl-dispatch ────▶ cali-tw-<if> ─▶ cali-gi-<group> ─▶ cali-pi-<policy>
 *                                  ├▶ [cali-to-hep-forward ───▶ cali-thfw-<if>]
 *                                  └▶ {cali-cidr-block: Services that there are not}
 *          INPUT ───▶ cali-INPUT ──▶ cali-wl-to-host ─▶ cali-from-wl-dispatch
 *                                └─▶ [cali-from-host-endpoint ─▶ cali-fh-<if> ─▶ cali-failsafe-in, policies]
 *          OUTPUT ──▶ cali-OUTPUT ─▶ [cali-to-host-endpoint ───▶ cali-th-<if> ─▶ cali-failsafe-out, policies]
 *   nat    {PREROUTING ─▶ cali-PREROUTING ─▶ cali-fip-dnat}   {OUTPUT ─▶ cali-OUTPUT ─▶ cali-fip-dnat}
 *          POSTROUTING ─▶ cali-POSTROUTING ─▶ {cali-fip-snat} cali-nat-outgoing
 *
 * What stands in brackets is there for host endpoints, and only where one has something to say; what stands in braces, where
 * options or an endpoint ask for it. In nftables each `dispatch` chain is one lookup in a map.
 */
export function render(plan: NodePlan, options: RenderOptions): DesiredState {
  const renderer = renderers.get(options) ?? new Renderer(options);
  // What throws leaves a renderer between two plans.
  renderers.delete(options);
  const state = renderer.next(plan);
  renderers.set(options, renderer);
  return state;
}

// --- internal ---

const renderers = new WeakMap<RenderOptions, Renderer>();

/** One plan after the other, with the same options. */
class Renderer {
  readonly #options: RenderOptions;
  readonly #families: readonly FamilyRenderer[];
  readonly #sets: IpSets;
  readonly #workloads: WorkloadChains;

  constructor(options: RenderOptions) {
    const families = options.versions.map((version): Family => ({ version, options }));
    this.#options = options;
    this.#families = families.map((family) => new FamilyRenderer(family));
    this.#sets = new IpSets(families);
    this.#workloads = new WorkloadChains(options);
  }

  next(plan: NodePlan): DesiredState {
    const hosts = hostLayouts(plan.hostEndpoints, plan.policies);
    const workloads = this.#workloads.next(plan);
    const { endpoints } = plan;
    return {
      sets: this.#sets.next(plan),
      tables: new Map(this.#families.flatMap((family) => family.tables({ plan, hosts, workloads }))),
      routes: routes(endpoints, this.#options),
      shapings: shapingsOf(endpoints),
    };
  }
}

const shapingsOf = remember((endpoints: NodePlan["endpoints"]) => shapings(endpoints.values()));

/** The tables of one family. */
class FamilyRenderer {
  readonly #family: Family;
  readonly #chains = new Map<TableName, TableChains>();
  readonly #tables = new Map<TableName, Table>();
  readonly #small = new Latest<Chains>();

  constructor(family: Family) {
    this.#family = family;
  }

  tables(parts: PlanParts): readonly (readonly [TableKey, Table])[] {
    const { plan, hosts } = parts;
    const needs = {
      stages: new Set(hosts.stages.keys()),
      hasDscp: dscpSources(plan.endpoints).length > 0,
      hasForeignSources: this.#foreignSources(plan.endpoints).length > 0,
    };
    const tables = fixedTables(this.#family, needs);
    for (const name of this.#chains.keys()) if (!tables.has(name)) this.#chains.delete(name);
    return [...tables].map(([name, fixed]) => {
      return [`${this.#family.version}/${name}`, this.#table({ ...parts, name, fixed })] as const;
    });
  }

  #table({ plan, hosts, workloads, name, fixed }: TablePlan): Table {
    const family = name === "filter" ? this.#family : outsideFilter(this.#family);
    const ofHosts = hostChains(hosts, name, family);
    const own = name === "filter" ? workloads : { judging: noJudging, ...this.#others(plan, name) };
    const known = this.#chains.get(name) ?? new TableChains(family);
    this.#chains.set(name, known);
    const judging = ofHosts.judging.length === 0 ? own.judging : [...own.judging, ...ofHosts.judging];
    const chains = known.next({ judging, others: [fixed.chains, own.chains, ofHosts.others] }, plan.policies);
    const maps = ofHosts.maps.size === 0 ? own.maps : new Map([...own.maps, ...ofHosts.maps]);
    const table = { version: family.version, name, chains, hooks: fixed.hooks, ...(maps.size > 0 && { maps }) };
    return this.#sameOr(table);
  }

  #others({ endpoints }: NodePlan, name: TableName): Pick<WorkloadParts, "chains" | "maps"> {
    const family = this.#family;
    if (name === "nat" && family.options.floatingIps) {
      const addresses = floatingAddresses(endpoints);
      const of = addresses.map(({ external, internal }) => `${external}>${internal}`).join(" ");
      return { chains: this.#small.get(name, of, () => floatingChains(addresses, family)), maps: noMaps };
    }
    const foreign = name === "raw" ? this.#foreignSources(endpoints) : [];
    if (foreign.length > 0) {
      const of = foreign.map(({ hostInterface, network }) => `${hostInterface}<${network}`).join(" ");
      const make = () => new Map([[foreignSourcesChain, foreignSourceRules(foreign)]]);
      return { chains: this.#small.get(name, of, make), maps: noMaps };
    }
    const sources = name === "mangle" ? dscpSources(endpoints) : [];
    if (sources.length === 0) return { chains: noChains, maps: noMaps };
    const of = sources.map(({ address, dscp }) => `${dscp}<${address}`).join(" ");
    const make = () => new Map([[dscpChain, dscpRules(sources, family)]]);
    return { chains: this.#small.get(name, of, make), maps: noMaps };
  }

  #foreignSources(endpoints: NodePlan["endpoints"]): readonly ForeignSource[] {
    const { version, options } = this.#family;
    return options.foreignSources ? foreignSources(endpoints, version) : [];
  }

  /** The table of before, when nothing in it has changed. */
  #sameOr(table: Table): Table {
    const before = this.#tables.get(table.name);
    const isSame = before?.chains === table.chains && before.hooks === table.hooks && sameMaps(before.maps, table.maps);
    if (isSame) return before;
    this.#tables.set(table.name, table);
    return table;
  }
}

/** One plan, and what both families have of it. */
interface PlanParts {
  readonly plan: NodePlan;
  readonly hosts: HostLayouts;
  readonly workloads: WorkloadParts;
}

/** One table of one plan. */
interface TablePlan extends PlanParts {
  readonly name: TableName;
  readonly fixed: FixedTable;
}

const noJudging: readonly JudgingChain[] = [];
const noChains: Chains = new Map<string, readonly Rule[]>();
const noMaps: Maps = new Map();

function sameMaps(a: Maps = noMaps, b: Maps = noMaps): boolean {
  return a.size === b.size && [...a].every(([name, map]) => b.get(name) === map);
}

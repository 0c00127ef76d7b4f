import type { NodePlan } from "../calc/plan.ts";
import type { DesiredState, IpSet, Rule, Table, TableKey, TableName } from "./desired-state.ts";
import { dispatchChains } from "./dispatch-chains.ts";
import { endpointChains } from "./endpoint-chains.ts";
import { fixedTables } from "./fixed-chains.ts";
import { type HostLayouts, hostChains, hostLayouts } from "./host-chains.ts";
import { ipSets } from "./ip-sets.ts";
import type { Family, RenderOptions } from "./options.ts";
import { withPolicies } from "./policy-tables.ts";
import { remember } from "./remember.ts";
import { routes } from "./routes.ts";
import { shapings } from "./shaping.ts";

/**
 * The plan in the kernel's terms, for each family of `options.versions`. A pure function; the rules of what is the same
 * object in two plans are the same array in both results.
 *
 *   raw    PREROUTING ─▶ cali-PREROUTING: spoofed sources and loopback destinations dropped
 *                        └▶ [cali-from-host-endpoint ─▶ cali-fh-<if>: untracked]
 *          [OUTPUT ────▶ cali-OUTPUT ─▶ cali-to-host-endpoint ─▶ cali-th-<if>: untracked]
 *   mangle [PREROUTING ─▶ cali-PREROUTING ─▶ cali-from-host-endpoint ─▶ cali-fh-<if>: before DNAT]
 *          [POSTROUTING ▶ cali-POSTROUTING ▶ cali-to-host-endpoint ───▶ cali-th-<if>: the node's own, after DNAT]
 *   filter FORWARD ─▶ cali-FORWARD ─▶ [cali-from-hep-forward ─▶ cali-fhfw-<if>]
 *                                  ├▶ cali-from-wl-dispatch ──▶ cali-fw-<if> ─▶ cali-po-<policy>
 *                                  ├▶ cali-to-wl-dispatch ────▶ cali-tw-<if> ─▶ cali-gi-<group> ─▶ cali-pi-<policy>
 *                                  └▶ [cali-to-hep-forward ───▶ cali-thfw-<if>]
 *          INPUT ───▶ cali-INPUT ──▶ cali-wl-to-host ─▶ cali-from-wl-dispatch
 *                                └─▶ [cali-from-host-endpoint ─▶ cali-fh-<if> ─▶ cali-failsafe-in, policies]
 *          OUTPUT ──▶ cali-OUTPUT ─▶ [cali-to-host-endpoint ───▶ cali-th-<if> ─▶ cali-failsafe-out, policies]
 *   nat    POSTROUTING ─▶ cali-POSTROUTING ─▶ cali-nat-outgoing
 *
 * What stands in brackets is there for host endpoints, and only where one has something to say.
 */
export function render(plan: NodePlan, options: RenderOptions): DesiredState {
  const sets = new Map<string, IpSet>();
  const tables = new Map<TableKey, Table>();
  const hosts = hostLayouts(plan.hostEndpoints, plan.policies);
  for (const family of familiesOf(options)) {
    for (const set of ipSets(plan, family)) sets.set(set.name, set);
    for (const [name, { chains, hooks }] of fixedTables(family, new Set(hosts.stages.keys()))) {
      const all = new Map([...chains, ...planChains({ plan, hosts, name }, family)]);
      tables.set(`${family.version}/${name}`, { version: family.version, name, chains: all, hooks });
    }
  }
  const endpoints = [...plan.endpoints.values()];
  return { sets, tables, routes: routes(endpoints, options), shapings: shapings(endpoints) };
}

// --- internal ---

const familiesOf = remember((options: RenderOptions): readonly Family[] =>
  options.versions.map((version) => ({ version, options })),
);

/** One table of one plan. */
interface TablePlan {
  readonly plan: NodePlan;
  readonly hosts: HostLayouts;
  readonly name: TableName;
}

function planChains({ plan, hosts, name }: TablePlan, family: Family): Chains {
  const { judging, others } = hostChains(hosts, name, family);
  if (name !== "filter") return new Map([...others, ...withPolicies(judging, plan.policies, family)]);
  const endpoints = [...plan.endpoints.values()].flatMap((one) => endpointChains(one, plan.policies, family));
  return new Map([
    ...dispatchChainsOf(family, [...plan.endpoints.keys()]),
    ...others,
    ...withPolicies([...endpoints, ...judging], plan.policies, family),
  ]);
}

type Chains = ReadonlyMap<string, readonly Rule[]>;

const lastDispatch = new WeakMap<Family, { readonly names: string; readonly chains: Chains }>();

/** The dispatch chains change only when an endpoint comes or goes. */
function dispatchChainsOf(family: Family, hostInterfaces: readonly string[]): Chains {
  const names = hostInterfaces.join("\n");
  const last = lastDispatch.get(family);
  if (last?.names === names) return last.chains;
  const context = { interfacePrefix: family.options.interfacePrefix, earlier: [...(last?.chains.values() ?? [])] };
  const [egress, ingress] = (["egress", "ingress"] as const).map((one) => dispatchChains(one, hostInterfaces, context));
  const chains = new Map([...(egress ?? []), ...(ingress ?? [])]);
  lastDispatch.set(family, { names, chains });
  return chains;
}

import type { NodePlan } from "../calc/plan.ts";
import type { DesiredState, IpSet, Rule, Table, TableKey } from "./desired-state.ts";
import { dispatchChains } from "./dispatch-chains.ts";
import { endpointChains } from "./endpoint-chains.ts";
import { fixedTables } from "./fixed-chains.ts";
import { ipSets } from "./ip-sets.ts";
import type { Family, RenderOptions } from "./options.ts";
import { policyChains } from "./policy-chains.ts";
import { remember } from "./remember.ts";
import { routes } from "./routes.ts";
import { shapings } from "./shaping.ts";

/**
 * The plan in the kernel's terms, for each family of `options.versions`. A pure function; the rules of what is the same
 * object in two plans are the same array in both results.
 *
 *   raw    PREROUTING ─▶ cali-PREROUTING: spoofed sources and loopback destinations dropped
 *   filter FORWARD ─▶ cali-FORWARD ─▶ cali-from-wl-dispatch ─▶ cali-fw-<if> ─▶ cali-po-<policy>
 *                                  └▶ cali-to-wl-dispatch ───▶ cali-tw-<if> ─▶ cali-pi-<policy>
 *          INPUT ───▶ cali-INPUT ─▶ cali-wl-to-host ─▶ cali-from-wl-dispatch
 *   nat    POSTROUTING ─▶ cali-POSTROUTING ─▶ cali-nat-outgoing
 */
export function render(plan: NodePlan, options: RenderOptions): DesiredState {
  const sets = new Map<string, IpSet>();
  const tables = new Map<TableKey, Table>();
  for (const family of familiesOf(options)) {
    for (const set of ipSets(plan, family)) sets.set(set.name, set);
    for (const [name, fixed] of fixedTables(family)) {
      const chains = name === "filter" ? new Map([...fixed.chains, ...planChains(plan, family)]) : fixed.chains;
      tables.set(`${family.version}/${name}`, { version: family.version, name, chains, hooks: fixed.hooks });
    }
  }
  const endpoints = [...plan.endpoints.values()];
  return { sets, tables, routes: routes(endpoints, options), shapings: shapings(endpoints) };
}

// --- internal ---

const familiesOf = remember((options: RenderOptions): readonly Family[] =>
  options.versions.map((version) => ({ version, options })),
);

function planChains(plan: NodePlan, family: Family): ReadonlyMap<string, readonly Rule[]> {
  return new Map([
    ...dispatchChainsOf(family, [...plan.endpoints.keys()]),
    ...[...plan.endpoints.values()].flatMap((endpoint) => endpointChains(endpoint, family)),
    ...[...plan.policies.values()].flatMap((policy) => policyChains(policy, family)),
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

import type { DirectionPlan, HostEndpointPlan } from "../calc/plan.ts";
import type { Action, Rule, TableName, VerdictMap } from "./desired-state.ts";
import { type Dispatch, type DispatchTree, dispatchBy } from "./dispatch-chains.ts";
import { failsafeRules } from "./failsafe-rules.ts";
import { Latest } from "./latest.ts";
import { type Layout, layoutsOf, type Policies } from "./layouts.ts";
import { failsafeChain, type HostChain, hostDispatchChain, hostEndpointChain } from "./names.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";
import { stageRules } from "./stage-rules.ts";
import { type HostStageKey, stagesOf } from "./stages.ts";
import type { JudgingChain } from "./table-chains.ts";

/** Of all host endpoints, what stands in one table. */
export interface HostChains {
  readonly judging: readonly JudgingChain[];
  /** Dispatch and failsafes. */
  readonly others: ReadonlyMap<string, readonly Rule[]>;
  /** Those of dispatch. */
  readonly maps: ReadonlyMap<string, VerdictMap>;
}

/** A node's host endpoints, laid out for both families. */
export interface HostLayouts {
  /** Those of which a packet can be judged at all, and where. */
  readonly stages: ReadonlyMap<HostStageKey, ReadonlyMap<string, Layout>>;
  /** All of them. */
  readonly interfaceNames: readonly string[];
}

/**
 * Where which host endpoints judge packets. A stage of which no host endpoint has anything to say is absent; so are host
 * endpoints of interfaces whose names cannot be said in a rule.
 */
export function hostLayouts(endpoints: ReadonlyMap<string, HostEndpointPlan>, policies: Policies): HostLayouts {
  const stages = new Map<HostStageKey, Map<string, Layout>>();
  const sayable = [...endpoints].filter(([name]) => name === "*" || /^[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,14}$/.test(name));
  for (const [name, endpoint] of sayable) {
    const plans = stagePlans(endpoint);
    const layouts = layoutsOf(
      endpoint,
      plans.map(([, plan]) => plan),
      policies,
    );
    for (const [index, [key]] of plans.entries()) {
      const layout = layouts[index];
      if (layout === undefined || (layout.tiers.length === 0 && layout.profile === "none")) continue;
      const found = stages.get(key) ?? new Map<string, Layout>();
      stages.set(key, found.set(name, layout));
    }
  }
  return { stages, interfaceNames: sayable.map(([name]) => name) };
}

/** The chains of one table. The rules of a chain that says the same are the same array again. */
export function hostChains({ stages, interfaceNames }: HostLayouts, table: TableName, family: Family): HostChains {
  const judging: JudgingChain[] = [];
  const others = new Map<string, readonly Rule[]>();
  const maps = new Map<string, VerdictMap>();
  for (const [key, layouts] of stages) {
    const [stageTable, chain] = key.split("/") as [TableName, HostChain];
    const stage = stagesOf(family).host.get(key);
    if (stageTable !== table || stage === undefined) continue;
    for (const [interfaceName, layout] of layouts) {
      const asks = { layout, direction: stage.direction };
      judging.push({ name: hostEndpointChain(chain, interfaceName), rules: stageRules(layout, stage), asks });
    }
    const dispatch = dispatchOf({ key, interfaceNames, judged: layouts }, family);
    for (const [name, rules] of dispatch.chains) others.set(name, rules);
    for (const [name, map] of dispatch.maps) maps.set(name, map);
    if (stage.first.length === 0) continue;
    others.set(failsafeChain[stage.direction], failsafeRules(family, stage.direction, table));
  }
  return { judging, others, maps };
}

// --- internal ---

/** In the order of the chains. */
function stagePlans(endpoint: HostEndpointPlan): readonly (readonly [HostStageKey, DirectionPlan])[] {
  const { untracked, preDnat, forward, normal } = endpoint;
  return [
    ["raw/fh", untracked.ingress],
    ["raw/th", untracked.egress],
    ["mangle/fh", preDnat],
    ["mangle/th", normal.egress],
    ["filter/fh", normal.ingress],
    ["filter/th", normal.egress],
    ["filter/fhfw", forward.ingress],
    ["filter/thfw", forward.egress],
  ];
}

interface Dispatched {
  readonly key: HostStageKey;
  readonly interfaceNames: readonly string[];
  readonly judged: ReadonlyMap<string, unknown>;
}

const latestDispatch = remember((_family: Family) => new Latest<Dispatch>());

/** The same object while the same interfaces are judged. */
function dispatchOf(dispatched: Dispatched, family: Family): Dispatch {
  const { key, interfaceNames, judged } = dispatched;
  const of = `${interfaceNames.join(" ")}\n${[...judged.keys()].join(" ")}`;
  return latestDispatch(family).get(key, of, (earlier) => newDispatch(dispatched, family, earlier));
}

/** So many names stand in one chain. */
const fewNames = 8;
/** IFNAMSIZ less the terminating zero, also for a name with a `+`. */
const longestName = 15;

function newDispatch({ key, interfaceNames, judged }: Dispatched, family: Family, earlier?: Dispatch): Dispatch {
  const chain = key.split("/")[1] as HostChain;
  const toChain = (name: string): Action => ({ kind: "goto", chain: hostEndpointChain(chain, name) });
  const hasOther = judged.has("*");
  const targets = new Map<string, Action>();
  for (const name of interfaceNames) {
    if (name === "*") continue;
    if (judged.has(name)) targets.set(name, toChain(name));
    // It has a host endpoint of its own, though that has nothing to say here.
    else if (hasOther) targets.set(name, { kind: "return" });
  }
  const prefix = commonPrefix([...targets.keys()]);
  const tree: DispatchTree = {
    root: hostDispatchChain[chain],
    match: chain.startsWith("f") ? "in-interface" : "out-interface",
    prefix,
    // A branch is led to by one character more and a `+`.
    hasBranches: targets.size > fewNames && prefix.length + 2 <= longestName,
    end: hasOther ? [{ matches: [], action: toChain("*"), comment: "Every other interface" }] : [],
  };
  return dispatchBy(targets, tree, family, earlier);
}

function commonPrefix([first = "", ...others]: readonly string[]): string {
  let length = first.length;
  for (const name of others) while (!name.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length);
}

import type { Action, Rule, VerdictMap } from "./desired-state.ts";
import { type Direction, dispatchBranch, dispatchChain, endpointChain } from "./names.ts";
import type { Family } from "./options.ts";

/** Finds an interface by its name. */
export interface DispatchTree {
  /** The chain that a packet enters by. */
  readonly root: string;
  readonly match: "in-interface" | "out-interface";
  /** What all the names begin with. */
  readonly prefix: string;
  /** Whether there is a chain for each character that follows the prefix, and the root only leads to those. */
  readonly hasBranches: boolean;
  /** What becomes of an interface that is not among the names. */
  readonly end: readonly Rule[];
}

/** What finds an interface by its name: chains, and in nftables a map that they look it up in. */
export interface Dispatch {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly maps: ReadonlyMap<string, VerdictMap>;
}

/**
 * What sends packets on by interface name, as `options.backend` can: a tree of chains, or one rule that looks the name up, and
 * behind it what is no `goto`. What is as in `earlier` is the same object again.
 */
export function dispatchBy(
  targets: ReadonlyMap<string, Action>,
  tree: DispatchTree,
  { options }: Family,
  earlier?: Dispatch,
): Dispatch {
  if (options.backend === "nftables") return dispatchMap(targets, tree, earlier);
  return { chains: dispatchTree(targets, tree, earlier?.chains), maps: noMaps };
}

/**
 * What sends a packet on to its endpoint's chain. In iptables it is a root for the first characters after `interfacePrefix`, and
 * a branch for each: so an endpoint that comes adds rules and takes none away, which would make the kernel wait. An interface
 * that is not among `hostInterfaces` is denied.
 */
export function workloadDispatch(
  direction: Direction,
  hostInterfaces: readonly string[],
  family: Family,
  earlier?: Dispatch,
): Dispatch {
  const { interfacePrefix, denyAction } = family.options;
  const toEndpoint = (name: string): Action => ({ kind: "goto", chain: endpointChain(direction, name) });
  const tree: DispatchTree = {
    root: dispatchChain(direction),
    match: direction === "egress" ? "in-interface" : "out-interface",
    prefix: interfacePrefix,
    hasBranches: true,
    end: [{ matches: [], action: { kind: denyAction }, comment: "Unknown interface" }],
  };
  return dispatchBy(new Map(hostInterfaces.map((name) => [name, toEndpoint(name)])), tree, family, earlier);
}

// --- internal ---

const noMaps: Dispatch["maps"] = new Map();

function dispatchMap(
  targets: ReadonlyMap<string, Action>,
  { root, match, end }: DispatchTree,
  earlier: Dispatch | undefined,
): Dispatch {
  const found = new Map<string, string>();
  const others: Rule[] = [];
  for (const [name, action] of targets) {
    if (action.kind === "goto") found.set(name, action.chain);
    else others.push({ matches: [{ kind: match, name, negated: false }], action });
  }
  const rules: readonly Rule[] = [{ matches: [], action: { kind: "dispatch", map: root } }, ...others, ...end];
  const chains = new Map([[root, earlierOr(rules, earlier?.chains.get(root))]]);
  return { chains, maps: new Map([[root, { match, targets: found }]]) };
}

/** The earlier rules, if these say the same. */
function earlierOr(rules: readonly Rule[], earlier: readonly Rule[] | undefined): readonly Rule[] {
  const isSame = (rule: Rule, before: Rule | undefined) =>
    rule === before || JSON.stringify(rule) === JSON.stringify(before);
  return earlier?.length === rules.length && rules.every((rule, index) => isSame(rule, earlier[index]))
    ? earlier
    : rules;
}

/** Rules that `earlier` chains have, with the same `goto`, are the same objects again. */
function dispatchTree(
  targets: ReadonlyMap<string, Action>,
  { root, match, prefix, hasBranches, end }: DispatchTree,
  earlier: Dispatch["chains"] = new Map(),
): ReadonlyMap<string, readonly Rule[]> {
  const known = knownRules(earlier.values());
  const ruleOf = (name: string, action: Action): Rule =>
    known.get(keyOf(name, action)) ?? { matches: [{ kind: match, name, negated: false }], action };
  const chains = new Map<string, readonly Rule[]>();
  const rootRules: Rule[] = [];
  const sorted = [...targets].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const branches = Map.groupBy(sorted, ([name]) => (hasBranches ? name.charAt(prefix.length) : ""));
  for (const [branch, members] of branches) {
    const rules = members.map(([name, action]) => ruleOf(name, action));
    // `PREFIX+` would match every other too.
    if (branch === "") {
      rootRules.push(...rules);
      continue;
    }
    const chain = dispatchBranch(root, branch);
    chains.set(chain, earlierOr([...rules, ...end], earlier.get(chain)));
    rootRules.push(ruleOf(`${prefix}${branch}+`, { kind: "goto", chain }));
  }
  chains.set(root, earlierOr([...rootRules, ...end], earlier.get(root)));
  return chains;
}

function knownRules(chains: Iterable<readonly Rule[]>): ReadonlyMap<string, Rule> {
  const known = new Map<string, Rule>();
  for (const rules of chains) {
    for (const rule of rules) {
      const [match] = rule.matches;
      if (match !== undefined && "name" in match) known.set(keyOf(match.name, rule.action), rule);
    }
  }
  return known;
}

function keyOf(name: string, action: Action): string {
  return `${name} ${action.kind} ${"chain" in action ? action.chain : ""}`;
}

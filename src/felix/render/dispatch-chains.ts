import type { Action, Rule } from "./desired-state.ts";
import { type Direction, dispatchBranch, dispatchChain, endpointChain } from "./names.ts";

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

/** The chains of a tree. Rules that `earlier` chains have, with the same `goto`, are the same objects again. */
export function dispatchTree(
  targets: ReadonlyMap<string, Action>,
  { root, match, prefix, hasBranches, end }: DispatchTree,
  earlier: Iterable<readonly Rule[]> = [],
): ReadonlyMap<string, readonly Rule[]> {
  const known = knownRules(earlier);
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
    chains.set(chain, [...rules, ...end]);
    rootRules.push(ruleOf(`${prefix}${branch}+`, { kind: "goto", chain }));
  }
  chains.set(root, [...rootRules, ...end]);
  return chains;
}

/**
 * The chains that send a packet on to its endpoint's chain by interface name: a root for the first characters after
 * `interfacePrefix`, and a branch for each. So an endpoint that comes adds rules and takes none away, which would make the
 * kernel wait. An interface that is not among `hostInterfaces` is dropped. Rules that `earlier` chains of the same kind have
 * are the same objects again.
 */
export function dispatchChains(
  direction: Direction,
  hostInterfaces: readonly string[],
  { interfacePrefix, earlier = [] }: { readonly interfacePrefix: string; readonly earlier?: Iterable<readonly Rule[]> },
): ReadonlyMap<string, readonly Rule[]> {
  const toEndpoint = (name: string): Action => ({ kind: "goto", chain: endpointChain(direction, name) });
  const tree: DispatchTree = {
    root: dispatchChain(direction),
    match: direction === "egress" ? "in-interface" : "out-interface",
    prefix: interfacePrefix,
    hasBranches: true,
    end: [unknownInterface],
  };
  return dispatchTree(new Map(hostInterfaces.map((name) => [name, toEndpoint(name)])), tree, earlier);
}

// --- internal ---

const unknownInterface: Rule = { matches: [], action: { kind: "drop" }, comment: "Unknown interface" };

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

import type { Rule } from "./desired-state.ts";
import { type Direction, dispatchChain, endpointChain } from "./names.ts";

/**
 * The chains that send a packet on to its endpoint's chain by interface name, as a tree of two levels. An interface that is
 * not among `hostInterfaces` is dropped. Rules that `earlier` chains of the same kind have are the same objects again.
 */
export function dispatchChains(
  direction: Direction,
  hostInterfaces: readonly string[],
  earlier: Iterable<readonly Rule[]> = [],
): ReadonlyMap<string, readonly Rule[]> {
  const known = new Map([...earlier].flat().map((rule) => [keyOf(rule), rule]));
  const dispatchRule = (name: string, chain: string) => {
    const rule = newDispatchRule(direction, name, chain);
    return known.get(keyOf(rule)) ?? rule;
  };
  const toEndpoint = (name: string) => dispatchRule(name, endpointChain(direction, name));
  const chains = new Map<string, readonly Rule[]>();
  const sorted = hostInterfaces.toSorted();
  const shared = commonPrefix(sorted);
  const root: Rule[] = [];
  for (const [branch, names] of branchesOf(sorted, shared.length)) {
    const [only, ...others] = names;
    if (only === undefined) continue;
    // A name that ends where the others branch off has no branch character; it stands in the root by itself.
    if (others.length === 0) root.push(toEndpoint(only));
    else {
      const chain = dispatchChain(direction, branch);
      chains.set(chain, [...names.map(toEndpoint), unknownInterface]);
      root.push(dispatchRule(`${shared}${branch}+`, chain));
    }
  }
  chains.set(dispatchChain(direction), [...root, unknownInterface]);
  return chains;
}

// --- internal ---

const unknownInterface: Rule = { matches: [], action: { kind: "drop" }, comment: "Unknown interface" };

function branchesOf(names: readonly string[], sharedLength: number): ReadonlyMap<string, readonly string[]> {
  const branches = new Map<string, string[]>();
  for (const name of names) {
    const branch = name.charAt(sharedLength);
    const branchNames = branches.get(branch);
    if (branchNames === undefined) branches.set(branch, [name]);
    else branchNames.push(name);
  }
  return branches;
}

function commonPrefix(sorted: readonly string[]): string {
  const [first, last] = [sorted.at(0) ?? "", sorted.at(-1) ?? ""];
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return first.slice(0, length);
}

function keyOf({ matches: [match], action }: Rule): string {
  return JSON.stringify([match, action]);
}

function newDispatchRule(direction: Direction, name: string, chain: string): Rule {
  const kind = direction === "egress" ? "in-interface" : "out-interface";
  return { matches: [{ kind, name, negated: false }], action: { kind: "goto", chain } };
}

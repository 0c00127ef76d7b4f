import type { Rule } from "./desired-state.ts";
import { type Direction, dispatchChain, endpointChain } from "./names.ts";

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
  const known = new Map<string, Rule>();
  for (const rules of earlier)
    for (const rule of rules) if (rule.action.kind === "goto") known.set(rule.action.chain, rule);
  // Each chain is led to from one place.
  const dispatchRule = (name: string, chain: string) => known.get(chain) ?? newDispatchRule(direction, name, chain);
  const toEndpoint = (name: string) => dispatchRule(name, endpointChain(direction, name));
  const chains = new Map<string, readonly Rule[]>();
  const root: Rule[] = [];
  const branches = Map.groupBy(hostInterfaces.toSorted(), (name) => name.charAt(interfacePrefix.length));
  for (const [branch, names] of branches) {
    // `PREFIX+` would match every other too.
    if (branch === "") {
      root.push(...names.map(toEndpoint));
      continue;
    }
    const chain = dispatchChain(direction, branch);
    chains.set(chain, [...names.map(toEndpoint), unknownInterface]);
    root.push(dispatchRule(`${interfacePrefix}${branch}+`, chain));
  }
  chains.set(dispatchChain(direction), [...root, unknownInterface]);
  return chains;
}

// --- internal ---

const unknownInterface: Rule = { matches: [], action: { kind: "drop" }, comment: "Unknown interface" };

function newDispatchRule(direction: Direction, name: string, chain: string): Rule {
  const kind = direction === "egress" ? "in-interface" : "out-interface";
  return { matches: [{ kind, name, negated: false }], action: { kind: "goto", chain } };
}

import type { Rule, Table } from "./desired-state.ts";
import { endpointChain } from "./names.ts";

/**
 * The chains of a filter table that a packet from or to one endpoint is judged by: the endpoint's two, and the dispatch chains
 * that lead to them, nearest first. None for an endpoint that the table does not know.
 */
export function endpointPath(table: Table, hostInterface: string): readonly string[] {
  return (["ingress", "egress"] as const).flatMap((direction) => {
    const path: string[] = [];
    let next: string | undefined = endpointChain(direction, hostInterface);
    // Each chain is led to from one place: dispatch is a tree.
    while (next !== undefined && table.chains.has(next) && !path.includes(next)) {
      path.push(next);
      next = leadingTo(next, table);
    }
    return path;
  });
}

// --- internal ---

function leadingTo(chain: string, { chains, maps }: Table): string | undefined {
  const lead = ({ action }: Rule) => {
    if (action.kind === "dispatch") return [...(maps?.get(action.map)?.targets.values() ?? [])].includes(chain);
    return action.kind === "goto" && action.chain === chain;
  };
  for (const [name, rules] of chains) if (rules.some(lead)) return name;
  return undefined;
}

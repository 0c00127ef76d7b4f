import type { PrintedTable } from "./iptables.ts";
import { endpointChain } from "./names.ts";

/**
 * The chains of a filter table that a packet from or to one endpoint is judged by: the endpoint's two, and the dispatch chains
 * that lead to them, nearest first. None for an endpoint that the table does not know.
 */
export function endpointPath(table: PrintedTable, hostInterface: string): readonly string[] {
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

function leadingTo(chain: string, { chains }: PrintedTable): string | undefined {
  for (const [name, rules] of chains) if (rules.some(({ spec }) => spec.endsWith(` -g ${chain}`))) return name;
  return undefined;
}

import type { Lab } from "../../../lab/cluster.ts";
import type { NodeLayout } from "../../../lab/layout.ts";
import { inNode } from "../../../lab/node.ts";

/** Where a node's rules may be. */
type Place = "nftables" | "iptables-nft" | "iptables-legacy";

/** The places where the node holds rules of ours, each with one that it holds. */
export async function placesOfRules({ layout }: Pick<Lab, "layout">, node: NodeLayout): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.entries(looks).map(async ([place, { argv, mark }]) => {
      const line = (await inNode(layout, node, argv)).split("\n").find((one) => mark.test(one));
      return line === undefined ? [] : [`${place}: ${line}`];
    }),
  );
  return found.flat();
}

/** Which backends agents have taken up, from their logs: how often each. */
export function backendsTaken(log: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of log.split("\n")) {
    const name = line.includes("chose how rules go into the kernel") && /"backend":"([^"]+)"/.exec(line)?.[1];
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

// --- internal ---

const looks: Readonly<Record<Place, { readonly argv: readonly string[]; readonly mark: RegExp }>> = {
  nftables: { argv: ["nft", "list", "tables"], mark: /^table \S+ calico$/ },
  "iptables-nft": { argv: ["iptables-nft-save"], mark: /^:cali-/ },
  "iptables-legacy": { argv: ["iptables-legacy-save"], mark: /^:cali-/ },
};

import type { Lab } from "../../../lab/cluster.ts";
import type { NodeLayout } from "../../../lab/layout.ts";
import { inNode } from "../../../lab/node.ts";
import { waitFor } from "../../../lab/wait.ts";
import { type BackendWish, felixConfiguration } from "./objects.ts";

/** Where a node's rules may be. */
export type Place = "nftables" | "iptables-nft" | "iptables-legacy";

/** Has all nodes keep their rules in that place. Rejects when they are not there, and there alone, after some time. */
export async function useBackend(lab: Lab, place: Place): Promise<void> {
  const argv = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
  await lab.kubectl(argv, JSON.stringify(felixConfiguration(wishes[place])));
  for (const node of lab.layout.nodes) {
    await waitFor(`the rules of ${node.name} in one place`, { timeoutMs: 90_000, everyMs: 250 }, async () => {
      const places = await placesOfRules(lab, node);
      if (places.length === 1 && places[0]?.startsWith(`${place}:`)) return true;
      throw new Error(`they are in ${places.join("; ")}`);
    });
  }
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

/** What to ask for so that rules come to a place. */
export const wishes: Readonly<Record<Place, BackendWish>> = {
  nftables: { nftablesMode: "Enabled", iptablesBackend: "NFT" },
  "iptables-nft": { nftablesMode: "Disabled", iptablesBackend: "NFT" },
  "iptables-legacy": { nftablesMode: "Disabled", iptablesBackend: "Legacy" },
};

// --- internal ---

/** The places where the node holds rules of ours, each with one that it holds. */
async function placesOfRules({ layout }: Pick<Lab, "layout">, node: NodeLayout): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.entries(looks).map(async ([place, { argv, mark }]) => {
      const line = (await inNode(layout, node, argv)).split("\n").find((one) => mark.test(one));
      return line === undefined ? [] : [`${place}: ${line}`];
    }),
  );
  return found.flat();
}

const looks: Readonly<Record<Place, { readonly argv: readonly string[]; readonly mark: RegExp }>> = {
  nftables: { argv: ["nft", "list", "tables"], mark: /^table \S+ calico$/ },
  "iptables-nft": { argv: ["iptables-nft-save"], mark: /^:cali-/ },
  "iptables-legacy": { argv: ["iptables-legacy-save"], mark: /^:cali-/ },
};

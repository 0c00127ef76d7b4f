import type { BgpFabric, FabricHost } from "./bgp-fabric.ts";

/** By name; `router` is 172.18.1.1 in rack 1 and 172.18.2.1 in rack 2. */
export type ThreeNodes = Readonly<Record<"router" | keyof typeof threeAddresses, FabricHost>>;

export const threeAddresses = { "node-1": "172.18.1.2", "node-2": "172.18.1.3", "node-3": "172.18.2.2" } as const;

/** Two nodes in rack 1 and one in rack 2, as `BgpFabric` draws them. */
export async function addThreeNodes(fabric: BgpFabric): Promise<ThreeNodes> {
  const router = await fabric.addRouter({ rack1: "172.18.1.1/24", rack2: "172.18.2.1/24" });
  const add = (name: keyof typeof threeAddresses, rack: 1 | 2) => {
    const link = { rack: `rack${rack}`, gateway: `172.18.${rack}.1`, address: `${threeAddresses[name]}/24` };
    return fabric.addNode(name, router, link);
  };
  return {
    router,
    "node-1": await add("node-1", 1),
    "node-2": await add("node-2", 1),
    "node-3": await add("node-3", 2),
  };
}

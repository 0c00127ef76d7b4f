import type { NodeName } from "../../../src/api/names.ts";
import { type BirdConfig, plainSession, type Session } from "../../../src/bgp/plan/bird-config.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { nodeName } from "./cluster.ts";

/** A node by its number: address 10.0.0.N, block 192.168.N.0/26. */
export interface SimulatedNode {
  readonly as?: number;
  readonly peers: Readonly<Record<string, Partial<Session>>>;
  readonly config?: Partial<BirdConfig>;
  readonly exports?: Partial<BirdConfig["families"][number]["exports"]>;
}

export const at = (node: number | string): Ip => parseIp(`10.0.0.${node}`);
export const blockOf = (node: number | string) => `192.168.${node}.0/26` as Cidr;
const iBgp = 64512;

/** Their configurations; the neighbours are the fields of `peers`, of AS 64512 unless they say otherwise. */
export function configsOf(nodes: Readonly<Record<string, SimulatedNode>>): ReadonlyMap<NodeName, BirdConfig> {
  return new Map(Object.entries(nodes).map(([node, words]) => [nodeName(`node-${node}`), configOf(node, words)]));
}

// --- internal ---

function configOf(node: string, { as = iBgp, peers, config, exports }: SimulatedNode): BirdConfig {
  const sessions = Object.entries(peers).map(([other, fields]): Session => {
    const own = { name: `to_${other}`, kind: "node", neighbor: at(other), neighborAs: iBgp, source: at(node) } as const;
    return { ...plainSession, ...own, ...fields };
  });
  return {
    ...{ routerId: at(node), localAs: as, logLevel: "info", listenPort: 179, bindsToNodeIp: false },
    ...{ ignoredInterfaces: [], filters: [], rejected: [] },
    families: [
      {
        ...{ version: 4, address: at(node), blackholes: [blockOf(node)], gateways: [], serviceRanges: [] },
        ...{ normalRoutePriority: 1024, sessions },
        exports: {
          ...{ hidden: [], blocks: [blockOf(node)], hosts: [], services: [], pools: ["192.168.0.0/16" as Cidr] },
          ...{ communities: [], isDraining: false, ...exports },
        },
      },
    ],
    ...config,
  };
}

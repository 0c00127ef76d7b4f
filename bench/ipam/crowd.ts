import type { IpPool } from "../../src/api/ip-pool.ts";
import type { Node } from "../../src/api/objects.ts";
import { systemClock } from "../../src/host/clock.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { countOf, isLostRace, isWrite } from "../api-calls.ts";
import { requireDistinct } from "../distinct.ts";
import type { Figures } from "../report.ts";
import { nodeAllocator, requestOf } from "./node-allocator.ts";
import type { Rig } from "./rig.ts";

/** Many nodes at once in a pool that they nearly fill. */
export interface Crowd {
  readonly nodes: readonly Node[];
  readonly cidr: string;
}

/**
 * The crowds that are compared: each twice the one before it, in twice the pool, so that every one fills its pool alike
 * (84 to 88 %). A block holds 8 addresses, a node wants 9, and a third of the nodes more than there are blocks is short
 * of a second one: they race for blocks, and then borrow from one another.
 */
export const crowdSizes: readonly { readonly nodes: number; readonly cidr: string }[] = [
  { nodes: 6, cidr: "10.20.0.0/26" },
  { nodes: 12, cidr: "10.20.0.0/25" },
  { nodes: 25, cidr: "10.20.0.0/24" },
  { nodes: 50, cidr: "10.20.0.0/23" },
];

/** One round of a crowd. */
export interface CrowdRound {
  readonly figures: Figures;
  /** Writes that came second, in all. */
  readonly lostRaces: number;
}

/**
 * Every node asks for all its addresses at the same time, none knowing anything yet. Throws when an address is given twice.
 */
export async function crowdRound(rig: Rig, { nodes, cidr }: Crowd): Promise<CrowdRound> {
  const pool = await rig.startOver(cidr, blockSize);
  await using members = new AsyncDisposableStack();
  const joined = await Promise.all(nodes.map((node) => join(rig, node, pool)));
  for (const { leave } of joined) members.defer(leave);
  const { result, calls } = await rig.callsDuring(async () => {
    const begun = performance.now();
    const given = await Promise.all(
      joined.flatMap(({ node, allocator }) =>
        Array.from({ length: perNode }, (_, index) => allocator.assign(requestOf(node, `${node.name}-${index}`))),
      ),
    );
    return { addresses: given.flat().map(({ ip }) => ip), ms: performance.now() - begun };
  });
  const count = requireDistinct(result.addresses, nodes.length * perNode);
  const lostRaces = countOf(calls, isLostRace);
  const suffix = `${nodes.length}_nodes`;
  const figures = {
    [`alloc_per_s_${suffix}`]: (count * 1000) / result.ms,
    [`retries_per_alloc_${suffix}`]: lostRaces / count,
    [`api_writes_per_pod_${suffix}`]: countOf(calls, isWrite) / count,
    [`api_reads_per_pod_${suffix}`]: countOf(calls, (call) => !isWrite(call)) / count,
  };
  return { figures, lostRaces };
}

// --- internal ---

const blockSize = 29;
const perNode = 9;

/** With connections of its own, already open: each node is a client to itself, and none waits in another's queue. */
async function join(rig: Rig, node: Node, pool: IpPool) {
  const client = await connect({ kubeconfig: rig.kubeconfig, clock: systemClock });
  await client.request("GET", "/version");
  return { node, allocator: nodeAllocator(client, node, pool), leave: () => client.close() };
}

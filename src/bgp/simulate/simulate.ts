import type { NodeName } from "../../api/names.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";
import type { BirdConfig } from "../plan/bird-config.ts";
import { BlockFacts, ownersOfBlocks } from "./block-facts.ts";
import { buildNetwork } from "./build-network.ts";
import type { DownSession, Network } from "./network.ts";
import type { OutsideRouter } from "./outside-router.ts";
import { propagate } from "./propagate.ts";
import { type ReachedBlock, reachedBlock } from "./reached-block.ts";

/** What the nodes' configurations lead to, once BGP has settled. */
export interface SimulatedNetwork {
  /** The nodes that have a configuration. */
  readonly nodes: ReadonlySet<NodeName>;
  /** How many sessions come up, counted once each, and which do not. */
  readonly established: number;
  readonly down: readonly DownSession[];
  /** Every node's blocks. */
  readonly blocks: readonly ReachedBlock[];
  /** Neighbours that are no nodes: what they do is assumed (OutsideRouter). */
  readonly outside: readonly Ip[];
  /** Blocks whose routes were not followed to the end, and why. */
  readonly doubtful: readonly { readonly network: Cidr; readonly doubt: "too many ways" | "never settles" }[];
}

/**
 * Which sessions come up, and who reaches whose blocks: BGP as our templates have BIRD do it, for `configs` of all nodes.
 * Taken as given: the underlay carries packets between all addresses, and no node uses a default route for blocks.
 * Addresses that a node borrowed, and Services, are not followed.
 */
export function simulate(
  configs: ReadonlyMap<NodeName, BirdConfig>,
  outside: readonly OutsideRouter[] = [],
): SimulatedNetwork {
  const networks = ([4, 6] as const).map((version) => buildNetwork(version, configs, outside));
  const settled = networks.map(settle);
  return {
    nodes: new Set(configs.keys()),
    established: networks.reduce((sum, { established }) => sum + established, 0),
    down: networks.flatMap(({ down }) => down),
    blocks: settled.flatMap(({ blocks }) => blocks),
    outside: networks.flatMap(({ routerAt }) => [...routerAt].flatMap(([ip, { node }]) => (node ? [] : [ip]))),
    doubtful: settled.flatMap(({ doubtful }) => doubtful),
  };
}

// --- internal ---

function settle(network: Network): Pick<SimulatedNetwork, "blocks" | "doubtful"> {
  const blocks: ReachedBlock[] = [];
  const doubtful: SimulatedNetwork["doubtful"][number][] = [];
  for (const [cidr, owners] of ownersOfBlocks(network)) {
    const { routes, doubt } = propagate(network, new BlockFacts(cidr, owners), owners.owners);
    if (doubt !== undefined) doubtful.push({ network: cidr, doubt });
    for (const owner of owners.owners) blocks.push(reachedBlock(cidr, owner, network, routes));
  }
  return { blocks, doubtful };
}

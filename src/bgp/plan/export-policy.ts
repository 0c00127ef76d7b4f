import { hostAffinity } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrContains, cidrVersion, hostCidr, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type IpVersion, versionOf } from "../../net/ip.ts";
import type { BgpInputs } from "./bgp-inputs.ts";
import type { ExportPolicy } from "./bird-config.ts";
import { inOrder } from "./cidr-order.ts";
import { prefixCommunities } from "./prefix-communities.ts";
import { reflectorClusterOf } from "./reflector.ts";
import type { PlannedServices } from "./services.ts";

/**
 * What a node announces in one family: the blocks affine to it, each local attachment's address that is in a pool but in none
 * of these blocks (borrowed from another node's block), and its Services. Pools with disableBGPExport stay hidden.
 * `disabled` on a pool stops new addresses only: its pods must stay reachable, so it changes nothing here, as upstream.
 * A route reflector passes on what it learns of Services too. A node that has withdrawn everything announces nothing of its own.
 */
export function planExports(
  { snapshot, node, isDraining, withdrawn }: BgpInputs,
  version: IpVersion,
  services: PlannedServices,
): ExportPolicy {
  const pools = [...snapshot.ipPool.values()]
    .map((pool) => pool.spec)
    .filter((spec) => cidrVersion(spec.cidr) === version);
  const open = pools.filter((pool) => !pool.disableBGPExport).map((pool) => pool.cidr);
  const hidden = pools.filter((pool) => pool.disableBGPExport).map((pool) => pool.cidr);
  const blocks = ownBlocks(snapshot, node, version);
  const borrowed = outsideOf(blocks, snapshot, version).filter((host) => isInside(host, open));
  const isGone = withdrawn === "everything";
  return {
    hidden: inOrder(isGone ? [...hidden, ...blocks] : hidden),
    blocks: isGone ? [] : blocks,
    hosts: isGone ? [] : inOrder(borrowed),
    services: services.announced,
    pools: inOrder(isReflector(snapshot, node) ? [...open, ...services.ranges] : open),
    communities: prefixCommunities(snapshot.bgpConfiguration, node, version),
    isDraining,
  };
}

/** The blocks affine to the node. One outside every pool is nobody's to announce, whoever wrote it. */
export function ownBlocks(snapshot: Snapshot, node: NodeName, version: IpVersion): readonly Cidr[] {
  const pools = [...snapshot.ipPool.values()].map((pool) => pool.spec.cidr);
  const own = [...snapshot.ipamBlock.values()]
    .map((block) => block.spec)
    .filter((spec) => spec.affinity === hostAffinity(node) && !spec.deleted && cidrVersion(spec.cidr) === version)
    .map((spec) => spec.cidr);
  return inOrder(own.filter((block) => isInside(block, pools)));
}

/**
 * What pods' addresses and the blocks that they are from bring into a node's plan: the blocks affine to it, and each attachment's
 * address that is in none of them. As long as it says the same, the same is announced of them; a pool's change counts besides.
 */
export function podNetworks(snapshot: Snapshot, node: NodeName): string {
  return ([4, 6] as const)
    .flatMap((version) => {
      const blocks = ownBlocks(snapshot, node, version);
      return [...blocks, "and", ...inOrder(outsideOf(blocks, snapshot, version))];
    })
    .join(" ");
}

/** Own blocks of more than one address: the kernel drops what no pod's route takes, so that it never leaves and comes back. */
export function planBlackholes(blocks: readonly Cidr[]): readonly Cidr[] {
  return blocks.filter((block) => prefixLength(block) < bitsOf(cidrVersion(block)));
}

// --- internal ---

function outsideOf(blocks: readonly Cidr[], { attachment }: Snapshot, version: IpVersion): readonly Cidr[] {
  return [...attachment.values()]
    .flatMap(({ addresses }) => addresses)
    .filter((ip) => versionOf(ip) === version)
    .map(hostCidr)
    .filter((host) => !isInside(host, blocks));
}

function isReflector(snapshot: Snapshot, node: NodeName): boolean {
  const self = snapshot.node.get(node);
  return self !== undefined && reflectorClusterOf(self) !== undefined;
}

function isInside(inner: Cidr, outers: readonly Cidr[]): boolean {
  return outers.some((outer) => cidrContains(outer, inner));
}

import { hostAffinity } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrContains, cidrVersion, firstIp, hostCidr, prefixLength } from "../../net/cidr.ts";
import { bitsOf, compareIps, type IpVersion, versionOf } from "../../net/ip.ts";
import type { ExportPolicy } from "./bird-config.ts";

/**
 * What `node` announces in one family: the blocks affine to it, and each local attachment's address that is in a pool
 * but in none of these blocks (borrowed from another node's block). Pools with disableBGPExport stay hidden.
 * `disabled` on a pool stops new addresses only: its pods must stay reachable, so it changes nothing here, as upstream.
 */
export function planExports(snapshot: Snapshot, node: NodeName, version: IpVersion): ExportPolicy {
  const pools = [...snapshot.ipPool.values()]
    .map((pool) => pool.spec)
    .filter((spec) => cidrVersion(spec.cidr) === version);
  const open = pools.filter((pool) => !pool.disableBGPExport).map((pool) => pool.cidr);
  const hidden = pools.filter((pool) => pool.disableBGPExport).map((pool) => pool.cidr);
  // A block outside every pool is nobody's to announce, whoever wrote it.
  const cidrs = pools.map((pool) => pool.cidr);
  const blocks = ownBlocks(snapshot, node, version).filter((block) => isInside(block, cidrs));
  const borrowed = [...snapshot.attachment.values()]
    .flatMap((attachment) => attachment.addresses)
    .filter((ip) => versionOf(ip) === version)
    .map(hostCidr)
    .filter((host) => isInside(host, open) && !isInside(host, blocks));
  return {
    ...{ hidden: inOrder(hidden), blocks, hosts: inOrder(borrowed), pools: inOrder(open) },
    ...{ services: [], communities: [], isDraining: false },
  };
}

/** Own blocks of more than one address: the kernel drops what no pod's route takes, so that it never leaves and comes back. */
export function planBlackholes(blocks: readonly Cidr[]): readonly Cidr[] {
  return blocks.filter((block) => prefixLength(block) < bitsOf(cidrVersion(block)));
}

// --- internal ---

function ownBlocks(snapshot: Snapshot, node: NodeName, version: IpVersion): readonly Cidr[] {
  const own = [...snapshot.ipamBlock.values()]
    .map((block) => block.spec)
    .filter((spec) => spec.affinity === hostAffinity(node) && !spec.deleted && cidrVersion(spec.cidr) === version);
  return inOrder(own.map((spec) => spec.cidr));
}

function isInside(inner: Cidr, outers: readonly Cidr[]): boolean {
  return outers.some((outer) => cidrContains(outer, inner));
}

/** Sorted and without repeats, so that equal input gives equal text and nothing is reconfigured for an order. */
function inOrder(cidrs: readonly Cidr[]): readonly Cidr[] {
  const order = (a: Cidr, b: Cidr) => compareIps(firstIp(a), firstIp(b)) || prefixLength(a) - prefixLength(b);
  return [...new Set(cidrs)].sort(order);
}

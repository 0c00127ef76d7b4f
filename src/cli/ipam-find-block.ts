import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamStore, Stored } from "../ipam/store.ts";
import { cidrContainsIp, networkOf } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";

/**
 * The block that `ip` is of, as it stands now: where the pools' block sizes say that it must be, or else among all there
 * are. Rejects as the store does.
 */
export async function findBlock(
  store: IpamStore,
  pools: readonly IpPool[],
  ip: Ip,
): Promise<Stored<IpamBlock> | undefined> {
  for (const { spec } of pools.filter(({ spec }) => cidrContainsIp(spec.cidr, ip))) {
    const found = await store.blocks.get(networkOf(ip, spec.blockSize));
    if (found !== undefined) return found;
  }
  return (await store.blocks.list()).find(({ value }) => cidrContainsIp(value.spec.cidr, ip));
}

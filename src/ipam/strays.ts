import type { IpamBlock } from "../api/ipam-block.ts";
import type { Ip } from "../net/ip.ts";
import { handOver, releaseFromBlock } from "./block-release.ts";
import type { NodeContext } from "./node-context.ts";
import type { Owners } from "./reserve-options.ts";

/** What is known of addresses that an earlier process of the node held for pods to come. */
export interface StrayFacts {
  /** The handle that they stand under. */
  readonly from: string;
  readonly owners: Owners;
  /** Handles: only what is theirs is named, and nothing is freed. */
  readonly only?: ReadonlySet<string>;
  readonly context: Pick<NodeContext, "nowMs" | "limits">;
}

/** The block with each stray made its owner's, or freed where it is certain that it has none. */
export function withStraysSettled(
  block: IpamBlock,
  strays: readonly Ip[],
  { from, owners, only, context }: StrayFacts,
): IpamBlock {
  let now = block;
  for (const ip of strays) {
    const to = owners.byAddress.get(ip);
    if (to === undefined || only?.has(to.handle) === false) continue;
    now = handOver(now, ip, { from, to }) ?? now;
  }
  if (!owners.areAll || only !== undefined) return now;
  const nobodys = new Set(strays.filter((ip) => !owners.byAddress.has(ip)));
  const { nowMs, limits } = context;
  const cause = { why: "held in advance, and given to nobody", nowMs, cooldownSeconds: limits.cooldownSeconds };
  return releaseFromBlock(now, from, { ...cause, only: ({ ip }) => nobodys.has(ip) }).block;
}

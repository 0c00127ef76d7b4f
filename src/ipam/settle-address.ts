/** The one address that was asked for: whether the handle may have it, and in which block. */
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import { type Cidr, cidrContainsIp, networkOf } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { blockedError, foreignBlockError, outsideError, takenError, unconfirmedError } from "./address-errors.ts";
import { isOwnedBy, mayBorrow } from "./affinity.ts";
import { addressesOf, allocationOf, assignAddress } from "./block.ts";
import type { AssignedAddress, AssignRequest, IpamError } from "./ipam.ts";
import type { NodeContext } from "./node-context.ts";
import { poolOfAddress } from "./pools.ts";

/** The handle has the address, once the block is stored. */
export interface Placed {
  readonly kind: "placed";
  readonly block: IpamBlock;
  readonly address: AssignedAddress;
}

/** The address lies in a block that is not at hand, or not there, or nobody's. */
export interface Unplaced {
  readonly kind: "unplaced";
  readonly ip: Ip;
  readonly block: Cidr;
}

/** The handle may not have the address, as far as `block` is known. */
export interface Refused {
  readonly kind: "refused";
  readonly block: Cidr | undefined;
  readonly error: IpamError;
}

interface AddressOptions {
  readonly request: AssignRequest;
  readonly context: NodeContext;
  /** Blocks from which nothing may be given. */
  readonly closed: ReadonlySet<Cidr>;
}

/** Gives the handle `ip`, if it has not got it already. */
export function settleAddress(
  blocks: ReadonlyMap<Cidr, IpamBlock>,
  ip: Ip,
  { request, context, closed }: AddressOptions,
): Placed | Unplaced | Refused {
  const block = [...blocks.values()].find(({ spec }) => cidrContainsIp(spec.cidr, ip));
  if (block !== undefined && addressesOf(block, request.handle).includes(ip)) return placed(block, ip);
  const found = poolOfAddress(context.pools, ip);
  if ("refused" in found) {
    return { kind: "refused", block: undefined, error: outsideError(request, { node: context.node, ip, ...found }) };
  }
  if (block === undefined) return { kind: "unplaced", ip, block: networkOf(ip, found.pool.spec.blockSize) };
  return settleIn(block, ip, { request, context, closed, pool: found.pool });
}

/** The block in the way of the one that the pool would make for `ip`: of another size, and without `ip`. */
export function overlapRefusal(
  { ip, block }: Unplaced,
  other: Cidr,
  { request, context }: Omit<AddressOptions, "closed">,
): IpamError {
  return blockedError(request, { node: context.node, ip, block, other });
}

// --- internal ---

function settleIn(
  block: IpamBlock,
  ip: Ip,
  { request, context, closed, pool }: AddressOptions & { readonly pool: IpPool },
): Placed | Unplaced | Refused {
  const { cidr, affinity } = block.spec;
  const facts = { node: context.node, ip, pool };
  const held = allocationOf(block, ip);
  if (held !== undefined) {
    return { kind: "refused", block: cidr, error: takenError(request, { ...facts, attribute: held.attribute }) };
  }
  if (!isOwnedBy(block, context.node)) {
    if (affinity === undefined && !block.spec.strictAffinity) return { kind: "unplaced", ip, block: cidr };
    if (context.limits.strictAffinity || !mayBorrow(block, context.node)) {
      return { kind: "refused", block: cidr, error: foreignBlockError(request, { ...facts, block }) };
    }
  }
  if (closed.has(cidr)) return { kind: "refused", block: cidr, error: unconfirmedError(request, { ...facts, block }) };
  const assigned = assignAddress(block, ip, request);
  if (assigned === undefined) throw new Error(`Cannot take ${ip} of block ${cidr}: it is free and yet not`);
  return placed(assigned, ip);
}

function placed(block: IpamBlock, ip: Ip): Placed {
  return { kind: "placed", block, address: { ip, block: block.spec.cidr } };
}

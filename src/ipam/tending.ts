/** What is done for a node's reserve in a round of its allocator, as values. */
import type { IpamBlock } from "../api/ipam-block.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { allocationOf, hasRoom, ordinalOf } from "./block.ts";
import type { AssignedAddress } from "./ipam.ts";
import type { NodeContext } from "./node-context.ts";
import { poolOfBlock } from "./pools.ts";
import type { Holder, Owners } from "./reserve-options.ts";

/** Which part of the work on the reserve is due. */
export interface TendOptions {
  readonly context: NodeContext;
  /** Only what is these handles' is named, and nothing else is done. */
  readonly only?: ReadonlySet<string>;
  /** Handles that give back what they have. */
  readonly ending: ReadonlySet<string>;
  /** Addresses that somebody asks for by name. */
  readonly wanted: ReadonlySet<Ip>;
  /** Whether a pod is short of addresses. */
  readonly isShort: boolean;
  /** By name, the pools in which other nodes can make blocks their own, and need none of these addresses. */
  readonly roomyPools: ReadonlySet<string>;
  readonly owners: Owners | undefined;
}

/** What is to be written of the reserve, and becomes true block by block as that is stored. */
export interface Tended {
  readonly blocks: ReadonlyMap<Cidr, IpamBlock>;
  readonly changed: ReadonlySet<Cidr>;
  readonly named: readonly (Given & { readonly ip: Ip })[];
  readonly taken: readonly (AssignedAddress & { readonly sequenceNumber: bigint | undefined })[];
  /** What is given back. */
  readonly returned: readonly (Held & { readonly ip: Ip })[];
}

/** An address that is held, by its number. */
export interface Held {
  readonly block: Cidr;
  readonly sequenceNumber: bigint;
}

/** One that was given, and to whom. */
export interface Given extends Held, Holder {
  /** Its holder has begun to give it back. */
  readonly isEnding: boolean;
}

/** Somebody has changed what only this process changes; the address stays the pod's, who cannot be told. */
export function lossOf({ ip, handle, block: cidr }: Given & { readonly ip: Ip }, block: IpamBlock | undefined): string {
  const holder = block && allocationOf(block, ip)?.attribute.handle_id;
  const now = block === undefined ? "gone" : `another, in which ${holder} holds it`;
  return `Cannot write down that ${handle} has ${ip} of block ${cidr}: the block is ${now}`;
}

/** Whether an IPReservation keeps the address from being given. */
export function isReservedIn({ spec }: IpamBlock, ip: Ip, { reservations }: NodeContext): boolean {
  const ordinal = ordinalOf(spec, ip);
  return ordinal === undefined || reservations.ofBlock(spec.cidr)?.isReserved(ordinal) === true;
}

/** Whether other nodes need nothing of the block: they can claim others of its pool, and, if they may not, borrow here. */
export function isRoomy(block: IpamBlock | undefined, { context, roomyPools }: TendOptions): boolean {
  const pool = block && poolOfBlock(context.pools, block.spec.cidr);
  return block !== undefined && pool !== undefined && roomyPools.has(pool.metadata.name) && hasRoom(block);
}

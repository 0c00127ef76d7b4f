/** The sentences that say why a pod does not get the address it asked for. */
import type { IpPool } from "../api/ip-pool.ts";
import { type AllocationAttribute, type IpamBlock, reserveNodeOf } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { type AssignRequest, IpamError } from "./ipam.ts";
import { whoOf } from "./pool-errors.ts";
import { poolText, type RefusedPool } from "./pools.ts";

/** Which address was asked for, and where. */
interface Wish {
  readonly node: NodeName;
  readonly ip: Ip;
}

/** No pool gives the address. */
export function outsideError(
  request: AssignRequest,
  { refused, ...wish }: Wish & { readonly refused: readonly RefusedPool[] },
): IpamError {
  const reasons = refused.map(({ pool, reason }) => `pool ${pool} ${reason}`);
  const found = reasons.length === 0 ? "it lies in no IPPool" : `no pool gives it: ${reasons.join("; ")}`;
  return new IpamError("outside", `${opening(request, wish)}: ${found}. Ask for an address of a pool that serves pods`);
}

/** Somebody holds the address, or it was given back a moment ago. */
export function takenError(
  request: AssignRequest,
  { attribute, pool, ...wish }: Wish & { readonly pool: IpPool; readonly attribute: AllocationAttribute },
): IpamError {
  return new IpamError("taken", `${opening(request, wish)}: ${takenText(attribute, poolText(pool))}`);
}

/** The address is free, but in a block from which this node may not take any. */
export function foreignBlockError(
  request: AssignRequest,
  { block, pool, ...wish }: Wish & { readonly pool: IpPool; readonly block: IpamBlock },
): IpamError {
  const { cidr, affinity = "nobody" } = block.spec;
  return new IpamError(
    "taken",
    `${opening(request, wish)}: its block ${cidr} of pool ${poolText(pool)} belongs to ${affinity}, and this node may not ` +
      `borrow from it. Run the pod there, ask for another address, or turn strictAffinity off in IPAMConfiguration default`,
  );
}

/** The address is free, but nobody has made sure yet that its block overlaps no other. */
export function unconfirmedError(request: AssignRequest, { block, ...wish }: Wish & { readonly block: IpamBlock }) {
  const { cidr, affinity = "nobody" } = block.spec;
  return new IpamError(
    "contended",
    `${opening(request, wish)}: the claim of ${affinity} on its block ${cidr} is not confirmed. Try again`,
  );
}

/** A block of another size, from an earlier pool, is in the way of the one that would hold the address. */
export function blockedError(
  request: AssignRequest,
  { block, other, ...wish }: Wish & { readonly block: Cidr; readonly other: Cidr },
): IpamError {
  return new IpamError(
    "taken",
    `${opening(request, wish)}: its block ${block} cannot be made while there is block ${other}. Ask for another address, ` +
      `or wait until that block is empty`,
  );
}

// --- internal ---

function opening(request: AssignRequest, { node, ip }: Wish): string {
  return `Cannot give ${whoOf(request)} the address ${ip} on node ${node}`;
}

function takenText(attribute: AllocationAttribute, pool: string): string {
  const { releasedAt } = attribute;
  if (releasedAt !== undefined) {
    return `it was given back at ${releasedAt} and still cools down, in pool ${pool}. Try again later, or lower ipCooldownSeconds in IPAMConfiguration default`;
  }
  const node = reserveNodeOf(attribute);
  if (node !== undefined) {
    return `node ${node} holds it for its next pods, in pool ${pool}. Ask for another, or keep it by an IPReservation: the node then gives it back`;
  }
  return `${holderText(attribute)} holds it, in pool ${pool}. Ask for another, or remove its holder`;
}

function holderText({ handle_id, secondary = {} }: AllocationAttribute): string {
  const said = new Map(Object.entries(secondary));
  const pod = said.get("pod");
  const handle = handle_id === undefined ? "somebody without a handle" : `handle ${handle_id}`;
  return pod === undefined ? handle : `pod ${said.get("namespace") ?? ""}/${pod} (${handle})`;
}

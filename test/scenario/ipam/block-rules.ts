import type { AllocationAttribute, IpamBlock } from "../../../src/api/ipam-block.ts";
import { firstIp } from "../../../src/net/cidr.ts";
import { type Ip, ipPlus } from "../../../src/net/ip.ts";
import { isOfReserve } from "./node-disk.ts";

/** How one address of a block stands. */
export interface Slot {
  readonly ip: Ip;
  readonly state: "free" | "held" | "cooling";
  readonly handle: string | undefined;
  readonly attribute: AllocationAttribute | undefined;
  readonly sequenceNumber: bigint | undefined;
}

/** Every address of the block, in order. */
export function slotsOf({ spec }: IpamBlock): readonly Slot[] {
  const first = firstIp(spec.cidr);
  return spec.allocations.map((index, ordinal) => {
    const ip = ipPlus(first, ordinal);
    const sequenceNumber = spec.sequenceNumberForAllocation[ordinal];
    if (index === null) return { ip, state: "free", handle: undefined, attribute: undefined, sequenceNumber };
    const attribute = spec.attributes[index];
    const state = attribute?.releasedAt === undefined ? "held" : "cooling";
    return { ip, state, handle: attribute?.handle_id, attribute, sequenceNumber };
  });
}

/** What is wrong with a block by itself. */
export function faultsOf(block: IpamBlock): readonly string[] {
  const { cidr, allocations, unallocated, attributes, sequenceNumber, sequenceNumberForAllocation } = block.spec;
  const used = allocations.flatMap((index, ordinal) => (index === null ? [] : [ordinal]));
  const all = [...used, ...unallocated].toSorted((a, b) => a - b);
  const faults: string[] = [];
  if (all.join() !== [...allocations.keys()].join()) faults.push("used and unallocated are not the block, parted");
  const pointed = new Set(allocations.filter((index) => index !== null));
  if ([...pointed].some((index) => attributes[index] === undefined)) faults.push("an allocation points nowhere");
  if (pointed.size !== attributes.length) faults.push("an attribute is pointed to by nothing");
  for (const [ordinal, number] of Object.entries(sequenceNumberForAllocation)) {
    if (allocations[Number(ordinal)] === null) faults.push(`ordinal ${ordinal} is free and has a sequence number`);
    if (number > sequenceNumber) faults.push(`ordinal ${ordinal} has a sequence number that is yet to come`);
  }
  if (slotsOf(block).some(({ state, sequenceNumber: own }) => state === "held" && own === undefined)) {
    faults.push("an allocation has no sequence number");
  }
  return faults.map((fault) => `block ${cidr}: ${fault}`);
}

/** What a change of a block is judged by. */
export interface Judgement {
  readonly holderOf: (ip: Ip) => string | undefined;
  /** Whether an address given back at this time (RFC 3339) must not be given out yet. */
  readonly isResting: (releasedAt: string) => boolean;
  /** Whether an address that is given back has to rest at all. */
  readonly mustRest: boolean;
  /** Whether an address that a node holds in advance was answered to somebody. */
  readonly wasAnswered: (ip: Ip) => boolean;
}

/** What is wrong with a block's change; `before` undefined: it is new; `after` undefined: it is gone. */
export function changeFaults(
  before: IpamBlock | undefined,
  after: IpamBlock | undefined,
  judgement: Judgement,
): readonly string[] {
  const faults = after === undefined ? [] : [...faultsOf(after)];
  const old = before === undefined ? [] : slotsOf(before);
  const now = after === undefined ? [] : slotsOf(after);
  for (const [ordinal, { ip, state, handle }] of old.entries()) {
    const holder = judgement.holderOf(ip);
    const isUnnamed = isOfReserve(old[ordinal]);
    if (holder === undefined || state !== "held" || !(handle === holder || isUnnamed)) continue;
    const slot = now[ordinal];
    if (isUnnamed && slot?.handle === handle && slot?.sequenceNumber === old[ordinal]?.sequenceNumber) continue;
    if (slot?.state !== "held" || slot.handle !== holder) {
      faults.push(`${ip} is ${holder}'s, and is ${slot === undefined ? "gone" : `${slot.state} (${slot.handle})`}`);
    }
  }
  if (before === undefined || after === undefined) return faults;
  if (after.spec.sequenceNumber <= before.spec.sequenceNumber) {
    faults.push(`block ${after.spec.cidr}: its sequence number does not grow`);
  }
  for (const [ordinal, slot] of now.entries()) faults.push(...slotFaults(old[ordinal], slot, judgement));
  return [...faults, ...queueFaults(before, after)];
}

// --- internal ---

function slotFaults(
  before: Slot | undefined,
  { ip, ...after }: Slot,
  { isResting, mustRest, wasAnswered }: Judgement,
): readonly string[] {
  if (before === undefined) return [`${ip} is new in its block`];
  // One write may free an address and give it out again; whether the first holder was live is asked above.
  const given = after.state === "held" && (before.state !== "held" || before.handle !== after.handle);
  if (given && before.sequenceNumber === after.sequenceNumber) return [`${ip} is given under an old sequence number`];
  const isTakenAnew = isOfReserve(before) && isOfReserve(after) && !(mustRest && wasAnswered(ip));
  if (!given && after.state === "held" && before.sequenceNumber !== after.sequenceNumber && !isTakenAnew) {
    return [`${ip} stays ${after.handle}'s under another sequence number`];
  }
  // What is held in advance becomes another's without a rest, and nobody's, if nobody was ever given it.
  const mayGo = isOfReserve(before) && (given || !wasAnswered(ip));
  const isFreed = before.state === "held" && (after.state === "free" || given);
  if (mustRest && isFreed && !mayGo) return [`${ip} does not cool down`];
  const releasedAt = before.attribute?.releasedAt;
  if (releasedAt !== undefined && after.state !== "cooling" && isResting(releasedAt)) {
    return [`${ip} is ${after.state} while it has to cool down`];
  }
  if (before.state === "free" && after.state === "cooling") return [`${ip} was free and cools down`];
  return [];
}

/** First given is longest free: what stays free keeps its order, and what comes free goes to the end. */
function queueFaults(before: IpamBlock, after: IpamBlock): readonly string[] {
  const still = new Set(after.spec.unallocated);
  const kept = before.spec.unallocated.filter((ordinal) => still.has(ordinal));
  if (after.spec.unallocated.slice(0, kept.length).join() === kept.join()) return [];
  return [`block ${after.spec.cidr}: free addresses change their order`];
}

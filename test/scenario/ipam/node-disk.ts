import { isReserve } from "../../../src/api/ipam-block.ts";
import type { AssignedAddress, AssignRequest } from "../../../src/ipam/ipam.ts";
import type { Owners } from "../../../src/ipam/reserve-options.ts";
import type { Ip } from "../../../src/net/ip.ts";
import type { Slot } from "./block-rules.ts";
import type { Caller } from "./network.ts";

/** What outlives the processes of one node: who has which addresses, which ADDs are under way, and a lock that one process has. */
export class NodeDisk {
  readonly #attachments = new Map<string, Owners["byAddress"]>();
  readonly #intents = new Set<string>();
  #locker: Caller | undefined;

  /** Takes the lock, if nobody has it. Only the living have locks. */
  lock(caller: Caller): boolean {
    this.#locker ??= caller;
    return this.#locker === caller;
  }

  unlock(caller: Caller): void {
    if (this.#locker === caller) this.#locker = undefined;
  }

  hasLock(caller: Pick<Caller, "name">): boolean {
    return this.#locker?.name === caller.name;
  }

  /** An ADD has begun. */
  intends(handle: string): void {
    this.#intents.add(handle);
  }

  /** An ADD is about to be answered. */
  attach({ handle, attributes }: AssignRequest, addresses: readonly AssignedAddress[]): void {
    this.#attachments.set(handle, new Map(addresses.map(({ ip }) => [ip, { handle, attributes }])));
    this.#intents.delete(handle);
  }

  /** An ADD was refused and keeps nothing, or a DEL has ended. */
  forget(handle: string): void {
    this.#attachments.delete(handle);
    this.#intents.delete(handle);
  }

  /** An ADD was refused; what an earlier one of the handle was answered stays. */
  gaveUp(handle: string): void {
    this.#intents.delete(handle);
  }

  /** What was cut short is undone, or was there before and stays. */
  settleIntents(): void {
    for (const handle of this.#attachments.keys()) this.#intents.delete(handle);
  }

  /** Reads one after the other, with time in between. */
  async owners(pause: () => Promise<void>): Promise<Owners> {
    const areAll = this.#intents.size === 0;
    await pause();
    const byAddress = new Map([...this.#attachments.values()].flatMap((one) => [...one]));
    await pause();
    return { byAddress, areAll };
  }
}

/** What became of addresses that nodes hold in advance. */
export class ReserveFigures {
  readonly counts = { fromReserve: 0, straysNamed: 0, straysFreed: 0, givenBack: 0 };
  /** Which process wrote that the address is held, by address. */
  readonly #takers = new Map<Ip, string>();
  /** Answered to somebody, and not named yet. */
  readonly #answered = new Set<Ip>();

  answered(ip: Ip): void {
    this.#answered.add(ip);
    this.counts.fromReserve++;
  }

  /** Whether somebody was given it since it is held. */
  wasAnswered(ip: Ip): boolean {
    return this.#answered.has(ip);
  }

  /** A write of `writer`'s has changed how one address stands. */
  note(was: Slot | undefined, now: Slot, writer: string): void {
    const [before, after] = [isOfReserve(was), isOfReserve(now)];
    const isSame = before && after && was?.sequenceNumber === now.sequenceNumber;
    if (before && !isSame) this.#noteLeft(now, writer);
    if (after && !isSame) this.#takers.set(now.ip, writer);
  }

  #noteLeft(now: Slot, writer: string): void {
    const isStray = this.#takers.get(now.ip) !== writer;
    const isByNode = writer.startsWith("node-");
    const isNamed = now.state === "held" && !isOfReserve(now);
    if (isNamed && isStray) this.counts.straysNamed++;
    if (!isNamed && isStray && isByNode) this.counts.straysFreed++;
    if (now.state === "free" && !isStray && !this.#answered.has(now.ip)) this.counts.givenBack++;
    this.#answered.delete(now.ip);
  }
}

/** Whether a node holds the address in advance, as the store knows. */
export function isOfReserve(slot: Pick<Slot, "state" | "attribute"> | undefined): boolean {
  return slot?.state === "held" && slot.attribute !== undefined && isReserve(slot.attribute);
}

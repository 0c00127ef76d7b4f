import type { AssignedAddress } from "../../../src/ipam/ipam.ts";
import type { Ip } from "../../../src/net/ip.ts";

/**
 * How a holder stands with its addresses, as it knows itself. `asked`: it may have been given some, and nobody was told.
 * `live`: it was told which. `going`: it has begun to give them back. `lost`: it went without a word.
 */
export type Phase = "absent" | "asked" | "live" | "going" | "lost";

/**
 * The whole reference: who holds what, as the holders know it. An address is live from the answer that gives it until its
 * holder begins to give it back. Everything else that IPAM keeps must follow from it.
 */
export class Ledger {
  readonly #phases = new Map<string, Phase>();
  readonly #holdings = new Map<string, readonly AssignedAddress[]>();
  readonly #live = new Map<Ip, string>();

  phaseOf(handle: string): Phase {
    return this.#phases.get(handle) ?? "absent";
  }

  /** Who lives at `ip`. */
  holderOf(ip: Ip): string | undefined {
    return this.#live.get(ip);
  }

  /** What a live holder was told. */
  holdingsOf(handle: string): readonly AssignedAddress[] {
    return this.#holdings.get(handle) ?? [];
  }

  /** Every live address and its holder. */
  get live(): ReadonlyMap<Ip, string> {
    return this.#live;
  }

  /** Everyone of these phases. */
  handles(...phases: readonly Phase[]): readonly string[] {
    return [...this.#phases].flatMap(([handle, phase]) => (phases.includes(phase) ? [handle] : []));
  }

  asks(handle: string): void {
    if (this.phaseOf(handle) === "absent") this.#phases.set(handle, "asked");
  }

  /** The answer of an `assign`. Throws when an address in it is somebody else's, or a repeated answer is another one. */
  told(handle: string, addresses: readonly AssignedAddress[]): void {
    const phase = this.phaseOf(handle);
    if (phase !== "asked" && phase !== "live") return;
    for (const { ip } of addresses) {
      const holder = this.#live.get(ip);
      if (holder !== undefined && holder !== handle) throw new Error(`${ip} was given to ${handle} and is ${holder}'s`);
    }
    if (phase === "live" && textOf(this.holdingsOf(handle)) !== textOf(addresses)) {
      throw new Error(`${handle} was told ${textOf(this.holdingsOf(handle))}, and then ${textOf(addresses)}`);
    }
    this.#phases.set(handle, "live");
    this.#holdings.set(handle, addresses);
    for (const { ip } of addresses) this.#live.set(ip, handle);
  }

  /** The holder begins to give everything back. */
  givesBack(handle: string): void {
    this.#end(handle, "going");
  }

  /** The answer of a `release`. */
  gone(handle: string): void {
    this.#end(handle, "absent");
  }

  /** The holder is no more, and nobody will give back what it had. */
  vanishes(handle: string): void {
    this.#end(handle, "lost");
  }

  #end(handle: string, phase: Phase): void {
    for (const { ip } of this.holdingsOf(handle)) this.#live.delete(ip);
    this.#holdings.delete(handle);
    this.#phases.set(handle, phase);
  }
}

// --- internal ---

function textOf(addresses: readonly AssignedAddress[]): string {
  return addresses
    .map(({ ip }) => ip)
    .toSorted()
    .join(" and ");
}

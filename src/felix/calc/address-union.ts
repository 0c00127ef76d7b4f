import { compareText } from "../../net/compare-text.ts";
import type { Ip } from "../../net/ip.ts";
import { same } from "./same.ts";

/** All the addresses that objects have, by what the object is called. */
export class AddressUnion {
  readonly #addresses = new Map<string, readonly Ip[]>();
  #changed = false;
  #plan: readonly Ip[] = [];

  /** `ips` are the addresses of the object `key` from now on; none: it is gone, or has none. */
  set(key: string, ips: readonly Ip[]): void {
    // Nodes report their state often, and their addresses hardly ever change.
    if (same(ips, this.#addresses.get(key) ?? [])) return;
    if (ips.length === 0) this.#addresses.delete(key);
    else this.#addresses.set(key, ips);
    this.#changed = true;
  }

  /** Each once, in the order of their text; the same object as before when nothing changed. */
  plan(): readonly Ip[] {
    if (!this.#changed) return this.#plan;
    this.#changed = false;
    const next = [...new Set([...this.#addresses.values()].flat())].sort(compareText);
    if (!same(next, this.#plan)) this.#plan = next;
    return this.#plan;
  }
}

import type { AssignRequest } from "./ipam.ts";

/** How many ask for addresses just now. Times are since 1970, in milliseconds, of a clock that may be set. */
export class Demand {
  /** When each has asked last. */
  readonly #asked = new Map<string, number>();

  /** Whoever wants particular pools or addresses does not count: it cannot be told beforehand what would do for him. */
  note({ handle, pools = {}, addresses = [], isUnfit }: AssignRequest, nowMs: number): void {
    if (Object.keys(pools).length > 0 || addresses.length > 0 || isUnfit !== undefined) return;
    for (const [other, at] of this.#asked) if (!isLately(at, nowMs)) this.#asked.delete(other);
    this.#asked.set(handle, nowMs);
  }

  /** How many have within the last second. */
  inLastSecond(nowMs: number): number {
    return this.#asked.values().reduce((count, at) => (isLately(at, nowMs) ? count + 1 : count), 0);
  }
}

// --- internal ---

function isLately(at: number, nowMs: number): boolean {
  return Math.abs(nowMs - at) < 1000;
}

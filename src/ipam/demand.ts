/** Who has asked for addresses of late. Times are since 1970, in milliseconds, of a clock that may be set. */
export class Demand {
  /** When each has asked last; who did so last comes last. */
  readonly #asked = new Map<string, number>();

  note(handle: string, nowMs: number): void {
    for (const [other, at] of this.#asked) if (!isWithin(1000, at, nowMs)) this.#asked.delete(other);
    this.#asked.delete(handle);
    this.#asked.set(handle, nowMs);
  }

  /** How many have within the last second. */
  inLastSecond(nowMs: number): number {
    return this.#asked.values().reduce((count, at) => (isWithin(1000, at, nowMs) ? count + 1 : count), 0);
  }

  /** Whether anybody has within so many milliseconds. */
  hasAny(ms: number, nowMs: number): boolean {
    return this.#asked.values().some((at) => isWithin(ms, at, nowMs));
  }
}

// --- internal ---

function isWithin(ms: number, at: number, nowMs: number): boolean {
  return Math.abs(nowMs - at) < ms;
}

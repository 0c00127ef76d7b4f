import type { Counted } from "./counted-rules.ts";

/** Packets and bytes. */
export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** One series: of a policy, or of all others together under the name `other`. */
export interface TotalSeries extends Traffic {
  readonly policy: string;
  readonly direction: Counted["direction"];
  readonly label: string;
}

/**
 * Totals that only grow, by policy, of at most so many policies: those with the most traffic since they were first seen. The
 * others are summed. A policy that takes the place of another begins at zero; its earlier traffic stays with the others'.
 */
export class TopTotals {
  readonly #most: number;
  readonly #seen = new Map<string, number>();
  readonly #named = new Map<string, Map<string, MutableSeries>>();
  readonly #others = new Map<string, MutableSeries>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Those that are not in use any more go, and those that have had much more traffic than others take their places. */
  choose(inUse: ReadonlySet<string>, growth: ReadonlyMap<string, number>): void {
    for (const policy of this.#seen.keys()) {
      if (inUse.has(policy)) continue;
      this.#seen.delete(policy);
      this.#named.delete(policy);
    }
    for (const policy of inUse) this.#seen.set(policy, (this.#seen.get(policy) ?? 0) + (growth.get(policy) ?? 0));
    const waiting = [...inUse]
      .filter((policy) => !this.#named.has(policy))
      .sort((a, b) => this.#packets(b) - this.#packets(a));
    const weakest = [...this.#named.keys()].sort((a, b) => this.#packets(a) - this.#packets(b));
    for (const policy of waiting) {
      if (this.#named.size >= this.#most) {
        const last = weakest.shift();
        // Twice as much: two that are alike must not change places at every reading.
        if (last === undefined || this.#packets(policy) <= 2 * this.#packets(last)) break;
        this.#named.delete(last);
      }
      this.#named.set(policy, new Map());
    }
  }

  /** `label` is what else tells the policy's series apart, in few words. */
  add({ policy, direction }: Pick<Counted, "policy" | "direction">, label: string, { packets, bytes }: Traffic): void {
    const named = this.#named.get(policy);
    const series = named ?? this.#others;
    const key = `${direction} ${label}`;
    const one = series.get(key) ?? { policy: named ? policy : "other", direction, label, packets: 0, bytes: 0 };
    one.packets += packets;
    one.bytes += bytes;
    series.set(key, one);
  }

  /** Whether the policy has series of its own. */
  isNamed(policy: string): boolean {
    return this.#named.has(policy);
  }

  *series(): Iterable<TotalSeries> {
    for (const ofPolicy of this.#named.values()) yield* ofPolicy.values();
    yield* this.#others.values();
  }

  #packets(policy: string): number {
    return this.#seen.get(policy) ?? 0;
  }
}

// --- internal ---

type MutableSeries = { -readonly [K in keyof TotalSeries]: TotalSeries[K] };

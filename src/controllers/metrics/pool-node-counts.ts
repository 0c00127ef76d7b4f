import type { Sample } from "./metric.ts";

/** Counts by pool and node. */
export class PoolNodeCounts {
  readonly #counts = new Map<string, Map<string, number>>();

  /** A `count` of 0 makes the entry, too: it is told as 0. */
  add(pool: string, node: string, count: number): void {
    const ofPool = this.#counts.get(pool) ?? new Map<string, number>();
    this.#counts.set(pool, ofPool.set(node, (ofPool.get(node) ?? 0) + count));
  }

  /** Forgets the entries that `keep` does not want. */
  retain(keep: (pool: string, node: string) => boolean): void {
    for (const [pool, ofPool] of this.#counts) {
      for (const node of ofPool.keys()) if (!keep(pool, node)) ofPool.delete(node);
    }
  }

  samples(): readonly Sample[] {
    return [...this.#counts].flatMap(([ippool, ofPool]) =>
      [...ofPool].map(([node, value]) => ({ labels: { ippool, node }, value })),
    );
  }

  /** The same by node alone, without what is 0. */
  samplesByNode(): readonly Sample[] {
    const byNode = new Map<string, number>();
    for (const ofPool of this.#counts.values()) {
      for (const [node, count] of ofPool) if (count > 0) byNode.set(node, (byNode.get(node) ?? 0) + count);
    }
    return [...byNode].map(([node, value]) => ({ labels: { node }, value }));
  }
}

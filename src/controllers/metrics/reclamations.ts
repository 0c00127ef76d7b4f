import type { Snapshot } from "../../api/snapshot.ts";
import type { Candidate } from "../ipam-gc/candidates.ts";
import { noPool, poolLabels, unknownNode } from "./label-values.ts";
import type { Sample } from "./metric.ts";
import { PoolNodeCounts } from "./pool-node-counts.ts";

/**
 * How many addresses this process has taken back, by pool and node. As upstream, what was counted for a node or a pool goes
 * with it; what a deleted node had held counts for the unknown node.
 */
export class Reclamations {
  readonly #view: Pick<Snapshot, "ipPool" | "node">;
  readonly #counts = new PoolNodeCounts();

  constructor(view: Pick<Snapshot, "ipPool" | "node">) {
    this.#view = view;
  }

  add(freed: readonly Pick<Candidate, "block" | "node">[]): void {
    const poolLabel = poolLabels(this.#view);
    for (const { block, node } of freed) {
      this.#counts.add(poolLabel(block), this.#view.node.has(node) ? node : unknownNode, 1);
    }
  }

  samples(): readonly Sample[] {
    const pools = new Set([noPool, ...[...this.#view.ipPool.values()].map(({ metadata }) => metadata.name)]);
    const nodes = new Set<string>([unknownNode, ...this.#view.node.keys()]);
    this.#counts.retain((pool, node) => pools.has(pool) && nodes.has(node));
    return this.#counts.samples();
  }
}

import type { NodeName } from "../../api/names.ts";
import type { Reclaimer } from "../../ipam/reclaimer.ts";
import { inParallel } from "../../net/in-parallel.ts";
import { messageOf } from "../../net/message-of.ts";
import { type Sightings, silenceNeededMs, silentMs } from "./agent-sightings.ts";
import { type EvidenceParts, lookAtNodes } from "./gather-evidence.ts";
import { type Chore, findLeftovers, type SeenLeftovers } from "./leftovers.ts";

export interface TidyUpParts extends EvidenceParts {
  readonly reclaimer: Reclaimer;
}

/** Tidies up blocks, affinities and handles that crashes, and nodes that went, left behind. */
export class TidyUp {
  readonly #parts: TidyUpParts;
  #seen: SeenLeftovers = new Map();

  constructor(parts: TidyUpParts) {
    this.#parts = parts;
  }

  /**
   * One pass; `graceMs` 0: no block is given up. Answers the sightings with the newest looks among them. Rejects at the
   * end when something could not be done; the rest is done then.
   */
  async pass(sightings: Sightings, graceMs: number, signal: AbortSignal): Promise<Sightings> {
    const { snapshot, clock, logger } = this.#parts;
    const nowMs = clock.monotonicNow();
    const silent = (node: NodeName) => silentMs(sightings, node, nowMs);
    const { seen, chores } = findLeftovers(snapshot, this.#seen, { graceMs, nowMs, silentMs: silent });
    this.#seen = seen;
    const nodes = await this.#nodesGone(chores, sightings, graceMs, signal);
    const failures: unknown[] = [];
    const attempt = async (facts: object, work: () => Promise<void>) => {
      signal.throwIfAborted();
      try {
        await work();
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
        logger.warn({ ...facts, err: error }, "cannot tidy up");
      }
    };
    await inParallel(choresOfPass(chores), choresAtOnce, async (chore) => {
      if (chore.kind === "release-block" && chore.gone !== nodes.gone.has(chore.node)) return;
      await attempt({ chore }, () => this.#do(chore, signal));
    });
    const handles = repairsOfPass(chores);
    await attempt({ handles }, () => this.#repair(handles, signal));
    if (failures.length === 0) return nodes.sightings;
    throw new Error(`Cannot tidy up after IPAM: ${failures.length} things failed: ${messageOf(failures[0])}`, {
      cause: failures[0],
    });
  }

  /** Those nodes whose blocks are to be given up for good: gone and silent, as a look past the cache says. */
  async #nodesGone(chores: readonly Chore[], known: Sightings, graceMs: number, signal: AbortSignal) {
    const named = new Set(chores.flatMap((chore) => (chore.kind === "release-block" && chore.gone ? chore.node : [])));
    const { nodeExists, silentMs, sightings } = await lookAtNodes(named, known, this.#parts, signal);
    const neededMs = silenceNeededMs(graceMs);
    const isGone = (node: NodeName) => nodeExists.get(node) === false && (silentMs.get(node) ?? 0) >= neededMs;
    return { gone: new Set([...named].filter(isGone)), sightings };
  }

  async #do(chore: Exclude<Chore, HandleChore>, signal: AbortSignal): Promise<void> {
    const { reclaimer, logger } = this.#parts;
    switch (chore.kind) {
      case "end-cooldowns":
        return reclaimer.endCooldowns(chore.cidr, signal);
      case "delete-orphan": {
        const outcome = await reclaimer.deleteOrphan(chore.cidr, signal);
        logger.info({ block: chore.cidr, outcome }, "removed an empty block of nobody");
        return;
      }
      case "release-block": {
        const { cidr, node, gone } = chore;
        const outcome = await reclaimer.releaseBlock({ cidr, node, evenIfUsed: gone }, signal);
        const deed = outcome === "kept" ? "kept a node's block, as it is in use" : "gave a node's block up";
        logger.info({ block: cidr, node, nodeGone: gone, outcome }, deed);
      }
    }
  }

  async #repair(handles: readonly string[], signal: AbortSignal): Promise<void> {
    const { reclaimer, logger } = this.#parts;
    for (const handle of handles) {
      logger.info({ handle }, "correcting the record of a handle by what the blocks say");
    }
    await reclaimer.repairHandles(handles, signal);
  }
}

// --- internal ---

const choresAtOnce = 4;
const choresPerPass = 1000;
const repairsPerPass = 1000;

type HandleChore = Extract<Chore, { readonly kind: "repair-handle" }>;

function choresOfPass(chores: readonly Chore[]): readonly Exclude<Chore, HandleChore>[] {
  return chores.filter((chore) => chore.kind !== "repair-handle").slice(0, choresPerPass);
}

function repairsOfPass(chores: readonly Chore[]): readonly string[] {
  return chores.flatMap((chore) => (chore.kind === "repair-handle" ? chore.handle : [])).slice(0, repairsPerPass);
}

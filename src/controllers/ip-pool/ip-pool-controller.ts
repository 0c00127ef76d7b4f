import { type Condition, conditionsStand, timedConditions } from "../../api/condition.ts";
import type { IpPool } from "../../api/ip-pool.ts";
import { ipPoolKind } from "../../api/kinds.ts";
import type { Reclaimer } from "../../ipam/reclaimer.ts";
import { KubeError } from "../../kube/client.ts";
import type { Cidr } from "../../net/cidr.ts";
import { inParallel } from "../../net/in-parallel.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import { type Drain, goesWith, planDrain } from "./plan-drain.ts";
import { type PoolFacts, poolConditionTypes, poolFindings } from "./pool-conditions.ts";
import { type PoolObject, PoolObjects } from "./pool-objects.ts";

/** What the controller works with, beside what every controller does. */
export interface IpPoolControllerOptions extends ControllerParts {
  readonly reclaimer: Reclaimer;
}

/**
 * Says in each pool's status whether it gives addresses, and holds a deleted pool until nothing of it is in use:
 *
 *     made ─▶ finalizer … deleted ─▶ empty blocks and claims given up ─▶ seen empty twice ─▶ finalizer taken away
 *
 * It frees no address. Every step may be repeated after a crash, and after another writer's change the next pass begins
 * anew.
 */
export class IpPoolController implements Controller {
  readonly name = "ip-pool";
  readonly watches = ["ipPool"] as const;
  readonly #options: IpPoolControllerOptions;
  readonly #objects: PoolObjects;
  /** By uid, since when a deleted pool has been seen without records, in milliseconds of the monotonic clock. */
  readonly #emptySince = new Map<string, number>();
  #dueInMs = resyncMs;

  constructor(options: IpPoolControllerOptions) {
    this.#options = options;
    this.#objects = new PoolObjects(options.client);
  }

  dueInMs(): number {
    return this.#dueInMs;
  }

  /** What goes wrong with one pool stops no other; the first such error is thrown at the end. */
  async pass(signal: AbortSignal): Promise<void> {
    const objects = await this.#objects.list(signal);
    const held = objects.map(({ pool }) => pool).filter(isHeld);
    for (const uid of this.#emptySince.keys()) {
      if (!held.some(({ metadata }) => metadata.uid === uid)) this.#emptySince.delete(uid);
    }
    this.#dueInMs = held.length === 0 ? resyncMs : drainMs;
    const errors: unknown[] = [];
    // The same for all: what follows from all pools together is worked out once.
    const standing = [...this.#options.snapshot.ipamBlock.values()].filter(({ spec }) => !spec.deleted);
    const all: All = { pools: objects.map(({ pool }) => pool), blocks: standing.map(({ spec }) => spec.cidr) };
    for (const object of objects) {
      signal.throwIfAborted();
      try {
        await this.#care(object, all, signal);
      } catch (error) {
        if (isRace(error)) this.#dueInMs = retryMs;
        else errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async #care(object: PoolObject, all: All, signal: AbortSignal): Promise<void> {
    const { pool } = object;
    if (pool.metadata.deletionTimestamp === undefined) {
      const finalizers = pool.metadata.finalizers ?? [];
      if (!finalizers.includes(poolFinalizer)) {
        await this.#objects.setFinalizers(pool, [...finalizers, poolFinalizer], signal);
      }
      await this.#report(object, { ...all, waitsFor: undefined }, signal);
    } else if (isHeld(pool)) {
      const goes = goesWith(pool, all.pools);
      const { ipamBlock, blockAffinity } = this.#options.snapshot;
      const drain = planDrain({ blocks: ipamBlock.values(), affinities: blockAffinity.values() }, goes);
      const waitsFor = drain.waitsFor ?? "its blocks are being given up";
      await this.#report(object, { ...all, waitsFor }, signal);
      await this.#giveUp(drain, signal);
      if (drain.waitsFor === undefined) await this.#finish(pool, goes, signal);
    }
  }

  async #giveUp({ claims, orphans, cooling }: Drain, signal: AbortSignal): Promise<void> {
    const { reclaimer, logger } = this.#options;
    await inParallel(cooling, maxParallel, async (cidr) => {
      signal.throwIfAborted();
      await reclaimer.endCooldowns(cidr, signal);
    });
    await inParallel(claims, maxParallel, async ({ cidr, node }) => {
      signal.throwIfAborted();
      const outcome = await reclaimer.releaseBlock({ cidr, node, evenIfUsed: false }, signal);
      logger.info({ block: cidr, node, outcome }, "gave up a node's block of a deleted pool");
    });
    await inParallel(orphans, maxParallel, async (cidr) => {
      signal.throwIfAborted();
      const outcome = await reclaimer.deleteOrphan(cidr, signal);
      logger.info({ block: cidr, outcome }, "removed nobody's block of a deleted pool");
    });
  }

  /**
   * Lets the pool go once the API server itself, past the watch cache, has had no record of it for a while: a node that
   * has not heard of the deletion yet may still be claiming a block.
   */
  async #finish(pool: IpPool, goes: (network: Cidr) => boolean, signal: AbortSignal): Promise<void> {
    const { clock, events, logger } = this.#options;
    const { uid = "", name, finalizers = [] } = pool.metadata;
    if (await this.#objects.hasRecords(goes, signal)) {
      this.#emptySince.delete(uid);
      return;
    }
    const now = clock.monotonicNow();
    const since = this.#emptySince.get(uid) ?? now;
    this.#emptySince.set(uid, since);
    if (now - since < settleMs) return;
    const others = finalizers.filter((finalizer) => finalizer !== poolFinalizer);
    await this.#objects.setFinalizers(pool, others, signal);
    logger.info({ pool: name, cidr: pool.spec.cidr }, "nothing of a deleted pool is in use any more: it goes");
    events.record(
      subjectOf(pool),
      "Normal",
      "Drained",
      `Nothing of pool ${name} (${pool.spec.cidr}) is in use any more.`,
    );
  }

  async #report(
    { pool, conditions, fault }: PoolObject,
    facts: All & { readonly waitsFor: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#options;
    const findings = poolFindings({ ...facts, pool, fault });
    const now = new Date(clock.now()).toISOString();
    const wanted = timedConditions(findings, conditions, { now, generation: pool.metadata.generation });
    if (conditionsStand(wanted, conditions, poolConditionTypes)) return;
    await this.#objects.setConditions(pool, wanted, signal);
    this.#tell(pool, wanted, conditions);
  }

  /** Of what has changed; that a new pool is as it should be is no news. */
  #tell(pool: IpPool, wanted: readonly Condition[], standing: readonly Condition[]): void {
    for (const { type, status, reason, message } of wanted) {
      const before = standing.find((one) => one.type === type);
      if (before?.status === status && before.reason === reason) continue;
      if (before === undefined && status === "True") continue;
      const isFault = status === "False" && !intended.includes(reason);
      this.#options.events.record(subjectOf(pool), isFault ? "Warning" : "Normal", reason, message);
    }
  }
}

// --- internal ---

/** Every pool, and the network of every block. */
type All = Pick<PoolFacts, "pools" | "blocks">;

/** Upstream's, so that either product finishes what the other began. */
const poolFinalizer = "projectcalico.org/ippool-finalizer";

const resyncMs = 300_000;
const drainMs = 2000;
const retryMs = 200;
const settleMs = 1500;
const maxParallel = 8;

/** Reasons that are somebody's wish. */
const intended: readonly string[] = ["Terminating", "PoolDisabled"];

/** Whether the pool is deleted and stays only because of our finalizer, or of it too. */
function isHeld({ metadata }: IpPool): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(poolFinalizer);
}

/** Somebody changed or removed the pool since it was read. */
function isRace(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 409 || error.status === 404);
}

function subjectOf({ metadata: { name, uid } }: IpPool) {
  return { kind: ipPoolKind, name, ...(uid === undefined ? {} : { uid }) };
}

import type { NodeName } from "../api/names.ts";
import { allEnded } from "../net/all-ended.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import { afterConflict, maxConflicts } from "./backoff.ts";
import { type Batch, type Step, type StuckTask, settleBatch } from "./batch.ts";
import { unselectedBlocks } from "./free-blocks.ts";
import type { AssignedAddress, AssignRequest, Ipam } from "./ipam.ts";
import { NodeBlocks } from "./node-blocks.ts";
import { type NodeContext, readNodeContext, readReleaseContext } from "./node-context.ts";
import { hasToUndo, isConflict, noteTaken, type Outcome, wasTakenBy } from "./outcomes.ts";
import { cancelledError, contendedError, notUndoneError } from "./pool-errors.ts";
import { type LateWork, RecordKeeper } from "./record-keeper.ts";
import type { Reservations } from "./reservations.ts";
import { makeRoom } from "./room.ts";
import type { IpamStore } from "./store.ts";
import { type AssignTask, assignTask, type ReleaseTask, releaseTask, type Task } from "./task.ts";
import { TaskQueue } from "./task-queue.ts";

/** What an allocator works with. */
export interface AllocatorOptions {
  readonly store: IpamStore;
  /** The node whose pods this allocator serves; there should be one allocator for a node, and it is safe if there are more. */
  readonly node: NodeName;
  readonly clock: Clock;
  /** Writes the records of handles once nobody waits. Without it an address is answered when its record is written too. */
  readonly late?: LateWork;
}

const maxFailures = 3;
/** A block's write costs the API server about as much as this, however many share it. */
const gatherMs = 8;
const maxGrowths = 64;

/**
 * Hands out a node's addresses from memory of its blocks. Calls that come together share one write of the block, and
 * the handles' records go out at the same time:
 *
 *     assign, release … ─▶ queue ─▶ settle in memory ─┬─▶ one compare-and-swap per block ─▶ answers
 *                                       ▲             └─▶ records of the handles, late where they may be
 *                                       └── conflict: read again, later
 *
 * The block is the truth. A release frees it first and removes the record last, so that a crash in between leaves the
 * record, by which the next release finds the rest. What lies in another node's block is answered when its record is written.
 */
export class Allocator implements Ipam {
  readonly #store: IpamStore;
  readonly #node: NodeName;
  readonly #clock: Clock;
  readonly #blocks: NodeBlocks;
  readonly #records: RecordKeeper;
  readonly #queue: TaskQueue;
  #reservations: Reservations | undefined;

  constructor({ store, node, clock, late }: AllocatorOptions) {
    this.#store = store;
    this.#node = node;
    this.#clock = clock;
    this.#blocks = new NodeBlocks(store, node, clock);
    this.#records = new RecordKeeper(store, late);
    this.#queue = new TaskQueue(
      (tasks) => this.#round(tasks),
      () => clock.sleep(gatherMs),
    );
  }

  async assign(request: AssignRequest, signal?: AbortSignal): Promise<readonly AssignedAddress[]> {
    if (request.v4 + request.v6 + (request.addresses?.length ?? 0) === 0) return [];
    if (signal?.aborted) throw cancelledError(request, this.#node, signal);
    const { promise, resolve, reject } = Promise.withResolvers<readonly AssignedAddress[]>();
    const task = assignTask(request, signal, { resolve, reject });
    const abort = () => {
      // One that is under way notices by itself, between its tries.
      if (signal !== undefined && this.#queue.drop(task)) reject(cancelledError(request, this.#node, signal));
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#queue.add(task);
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  release(handle: string, why: string): Promise<readonly Ip[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Ip[]>();
    this.#queue.add(releaseTask({ handle, why }, 0, { resolve, reject }));
    return promise;
  }

  async #round(all: readonly Task[]): Promise<void> {
    const tasks = all.filter((task) => !this.#cancel(task));
    if (tasks.length === 0) return;
    let known: readonly Task[] = tasks;
    try {
      const fresh = await this.#blocks.refresh();
      for (const task of tasks) if (task.kind === "assign") task.reloaded ||= fresh;
      const context = await this.#readContext(tasks);
      known = (await this.#readRecords(tasks)).filter((task) => !this.#cancel(task));
      const recordOf = (handle: string) => this.#records.get(handle)?.value;
      const batch = settleBatch(known, this.#blocks.view(), recordOf, context);
      known = [];
      await this.#write(batch);
      await this.#grow(batch.stuck, context);
      await this.#giveBack(context);
    } catch (error) {
      for (const task of known) this.#retry(task, error);
    }
  }

  async #readContext(tasks: readonly Task[]): Promise<NodeContext> {
    const nowMs = this.#clock.now();
    if (tasks.every((task) => task.kind === "release")) return readReleaseContext(this.#store, this.#node, nowMs);
    const context = await readNodeContext(this.#store, this.#node, { nowMs, known: this.#reservations });
    this.#reservations = context.reservations;
    return context;
  }

  /** Reads the records that tasks need, and the blocks named there. Answers the tasks that can go on. */
  async #readRecords(tasks: readonly Task[]): Promise<readonly Task[]> {
    const read = await Promise.all(
      tasks.map(async (task) => {
        const ending = this.#records.settle(task.handle);
        if (ending !== undefined) {
          // The others of the batch do not wait for it.
          void ending.then(() => this.#queue.again(task));
          return [];
        }
        const needed = task.recordUnknown || (task.kind === "release" && this.#records.get(task.handle) === undefined);
        try {
          if (needed) await this.#readRecord(task.handle);
          task.recordUnknown = false;
          return [task];
        } catch (error) {
          this.#retry(task, error);
          return [];
        }
      }),
    );
    return read.flat();
  }

  async #readRecord(handle: string): Promise<void> {
    const record = await this.#records.read(handle);
    // First the blocks: a record that is known is not read again.
    await this.#blocks.include(handle, record?.value.spec.block ?? {});
    // Another process of this node may have taken something for it lately, and written no record yet.
    if (record === undefined && this.#records.areLate) await this.#blocks.compare(await this.#store.blocks.list());
    this.#records.remember(handle, record);
  }

  /** Sends every changed block and every record at once; returns when the blocks are answered. */
  async #write({ blocks, steps }: Batch): Promise<void> {
    const writes = new Map<Cidr, Promise<Outcome>>();
    for (const cidr of new Set(steps.flatMap((step) => step.blocks))) {
      const block = blocks.get(cidr);
      if (block !== undefined) writes.set(cidr, this.#blocks.write(block));
    }
    for (const step of steps) {
      const own = step.blocks.flatMap((cidr) => writes.get(cidr) ?? []);
      if (step.task.kind === "assign") void this.#finishAssign(step.task, step, own);
      else void this.#finishRelease(step.task, step, own);
    }
    await Promise.allSettled(writes.values());
  }

  async #finishAssign(task: AssignTask, step: Step, blocks: readonly Promise<Outcome>[]): Promise<void> {
    task.wrote ||= blocks.length > 0;
    const isLate = this.#mayRecordLate(step);
    task.request.onChosen?.(step.addresses);
    const outcomes = await Promise.allSettled([...blocks, ...(isLate ? [] : [this.#putRecord(task, step.holdings)])]);
    noteTaken(task, step, outcomes);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) this.#retry(task, failure.reason);
    else if (outcomes.some(isConflict)) this.#retry(task, undefined);
    else if (!this.#cancel(task)) {
      if (isLate) this.#records.writeLate(task.handle, step.holdings);
      this.#queue.done(task);
      task.resolve(step.addresses);
    }
  }

  /** Its own blocks are what an agent of this node reads first. */
  #mayRecordLate({ task, holdings }: Step): boolean {
    const isNew = this.#records.areLate && !task.recordUnknown && this.#records.get(task.handle) === undefined;
    return isNew && holdings.every(({ block }) => this.#blocks.isOwn(block));
  }

  async #putRecord(task: AssignTask, holdings: readonly AssignedAddress[]): Promise<Outcome> {
    const isKnown = this.#records.get(task.handle) !== undefined;
    if (this.#records.isRight(task.handle, holdings)) return "stored";
    task.wrote = true;
    // Until the store has answered, nobody knows what stands there.
    task.recordUnknown = true;
    const outcome = await this.#records.write(task.handle, holdings);
    if (outcome === "stored") task.recordUnknown = false;
    // The handle had a record already, so what it names is not this task's to take back.
    else if (!isKnown) task.heldBefore = true;
    return outcome;
  }

  async #finishRelease(task: ReleaseTask, step: Step, blocks: readonly Promise<Outcome>[]): Promise<void> {
    try {
      const answers = await allEnded(blocks);
      if (answers.includes("conflict")) {
        const lost = step.addresses.filter(({ block }) => answers[step.blocks.indexOf(block)] === "conflict");
        for (const { ip } of lost) task.freed.delete(ip);
        return this.#retry(task, undefined);
      }
      // What an undoing leaves was held before, and keeps its record.
      if (step.holdings.length > 0) this.#records.remember(task.handle, undefined);
      else if ((await this.#records.remove(task.handle)) === "conflict") return this.#retry(task, undefined);
      this.#queue.done(task);
      task.resolve([...task.freed]);
    } catch (error) {
      this.#retry(task, error);
    }
  }

  /** Makes room for the first of those that are stuck; all of them are tried again, since they may share it. */
  async #grow(stuck: readonly StuckTask[], context: NodeContext): Promise<void> {
    const [first, ...others] = stuck;
    if (first === undefined) return;
    const { task } = first;
    try {
      const options = { store: this.#store, blocks: this.#blocks, context };
      const room = ++task.growths > maxGrowths ? "contended" : await makeRoom(first, options);
      if (room === "contended") this.#retry(task, undefined);
      else if (room === "found") this.#queue.again(task);
      else this.#fail(task, room);
    } catch (error) {
      this.#retry(task, error);
    }
    for (const other of others) this.#queue.again(other.task);
  }

  /** Gives up what is empty in pools that do not select the node any more, so that other nodes can have it. */
  async #giveBack(context: NodeContext): Promise<void> {
    for (const cidr of unselectedBlocks(this.#blocks.own(), context)) {
      try {
        await this.#blocks.giveUp(cidr, context);
      } catch {
        // Nobody waits for it, and the next request begins it anew; the collector gives it up if none comes.
        return;
      }
    }
  }

  /** `error` undefined: another writer was first. */
  #retry(task: Task, error: unknown): void {
    if (this.#cancel(task)) return;
    if (error === undefined) task.conflicts++;
    else task.failures++;
    if (error !== undefined && task.failures > maxFailures) this.#fail(task, error);
    else if (task.conflicts > maxConflicts) this.#fail(task, contendedError(task.handle, this.#node, maxConflicts));
    else void this.#later(task);
  }

  async #later(task: Task): Promise<void> {
    const signal = task.kind === "assign" ? task.signal : undefined;
    try {
      if (task.failures === 0) await afterConflict(this.#clock, task.conflicts, signal);
      // A server that is away is not back in milliseconds.
      else await this.#clock.sleep(50 * 2 ** task.failures * (0.5 + this.#clock.random()), signal);
    } catch (error) {
      if (!this.#cancel(task)) this.#fail(task, error);
      return;
    }
    this.#queue.again(task);
  }

  /** Ends a task that nobody waits for any more; false when somebody does. */
  #cancel(task: Task): boolean {
    if (task.kind === "release" || !task.signal?.aborted) return false;
    this.#fail(task, cancelledError(task.request, this.#node, task.signal));
    return true;
  }

  /** Answers the error once what the task has written is taken back. */
  #fail(task: Task, error: unknown): void {
    if (task.kind === "release" || !hasToUndo(task)) {
      this.#queue.done(task);
      task.reject(error);
      return;
    }
    const resolve = () => task.reject(error);
    const reject = (undoing: unknown) => task.reject(notUndoneError(task.handle, error, undoing));
    const undo = {
      handle: task.handle,
      why: "undo of a request that failed",
      only: wasTakenBy(task),
      fence: task.doubtful,
    };
    this.#queue.again(releaseTask(undo, task.failures, { resolve, reject }));
  }
}

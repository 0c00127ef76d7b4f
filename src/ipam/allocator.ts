import type { IpamHandle } from "../api/ipam-handle.ts";
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { type Batch, type ShortTask, type Step, settleBatch } from "./batch.ts";
import type { AssignedAddress, AssignRequest, Ipam } from "./ipam.ts";
import { readLimits } from "./limits.ts";
import { NodeBlocks } from "./node-blocks.ts";
import { readNodeContext } from "./node-context.ts";
import { contendedError, exhaustedError, noPoolError } from "./pool-errors.ts";
import { handleRecord, sameHoldings } from "./settle.ts";
import type { IpamStore, Stored } from "./store.ts";
import { type AssignTask, assignTask, type ReleaseTask, releaseTask, type Task } from "./task.ts";
import { TaskQueue } from "./task-queue.ts";

/** What an allocator works with. */
export interface AllocatorOptions {
  readonly store: IpamStore;
  /** The node whose pods this allocator serves; there should be one allocator for a node, and it is safe if there are more. */
  readonly node: NodeName;
  readonly clock: Clock;
}

const maxConflicts = 100;
const maxFailures = 3;
const maxGrowths = 64;

/**
 * Hands out a node's addresses from memory of its blocks. Calls that come together share one write of the block, and
 * the handles' records go out at the same time:
 *
 *     assign, release … ─▶ queue ─▶ settle in memory ─┬─▶ one compare-and-swap per block ─┬─▶ answers
 *                                       ▲             └─▶ records of the handles ─────────┘
 *                                       └── conflict: read again, later
 *
 * The block is the truth. A release frees it first and removes the record last, so that a crash in between leaves the
 * record, by which the next release finds the rest.
 */
export class Allocator implements Ipam {
  readonly #store: IpamStore;
  readonly #node: NodeName;
  readonly #clock: Clock;
  readonly #blocks: NodeBlocks;
  readonly #records = new Map<string, Stored<IpamHandle>>();
  readonly #queue: TaskQueue;

  constructor({ store, node, clock }: AllocatorOptions) {
    this.#store = store;
    this.#node = node;
    this.#clock = clock;
    this.#blocks = new NodeBlocks(store, node);
    this.#queue = new TaskQueue((tasks) => this.#round(tasks));
  }

  assign(request: AssignRequest): Promise<readonly AssignedAddress[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly AssignedAddress[]>();
    if (request.v4 + request.v6 === 0) resolve([]);
    else this.#queue.add(assignTask(request, { resolve, reject }));
    return promise;
  }

  release(handle: string, _why: string): Promise<readonly Ip[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Ip[]>();
    this.#queue.add(releaseTask(handle, 0, { resolve, reject }));
    return promise;
  }

  async #round(tasks: readonly Task[]): Promise<void> {
    const node = this.#node;
    let known: readonly Task[] = tasks;
    try {
      const fresh = await this.#blocks.refresh();
      for (const task of tasks) if (task.kind === "assign") task.reloaded ||= fresh;
      const assigns = tasks.some((task) => task.kind === "assign");
      const context = assigns ? await readNodeContext(this.#store, node) : { node, nodeLabels: {}, pools: [] };
      known = await this.#readRecords(tasks);
      const recordOf = (handle: string) => this.#records.get(handle)?.value;
      const batch = settleBatch(known, this.#blocks.view(), recordOf, context);
      known = [];
      await this.#write(batch);
      await this.#grow(batch.short);
    } catch (error) {
      for (const task of known) this.#retry(task, error);
    }
  }

  /** Reads the records that tasks need, and the blocks named there. Answers the tasks that can go on. */
  async #readRecords(tasks: readonly Task[]): Promise<readonly Task[]> {
    const read = await Promise.all(
      tasks.map(async (task) => {
        const needed = task.recordUnknown || (task.kind === "release" && !this.#records.has(task.handle));
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
    const record = await this.#store.handles.get(handle);
    if (record === undefined) this.#records.delete(handle);
    else this.#records.set(handle, record);
    await this.#blocks.include(Object.keys(record?.value.spec.block ?? {}) as Cidr[]);
  }

  /** Sends every changed block and every record at once; returns when the blocks are answered. */
  async #write({ blocks, steps }: Batch): Promise<void> {
    const writes = new Map<Cidr, Promise<"stored" | "conflict">>();
    for (const cidr of new Set(steps.flatMap((step) => step.blocks))) {
      const block = blocks.get(cidr);
      if (block !== undefined) writes.set(cidr, this.#blocks.write(block));
    }
    for (const step of steps) {
      const own = step.blocks.flatMap((cidr) => writes.get(cidr) ?? []);
      if (step.task.kind === "assign") void this.#finishAssign(step.task, step, own);
      else void this.#finishRelease(step.task, own);
    }
    await Promise.allSettled(writes.values());
  }

  async #finishAssign(task: AssignTask, step: Step, blocks: readonly Promise<"stored" | "conflict">[]): Promise<void> {
    task.wrote ||= blocks.length > 0;
    try {
      const answers = await settledAll([...blocks, this.#putRecord(task, step.holdings)]);
      if (answers.includes("conflict")) this.#retry(task, undefined);
      else {
        this.#queue.done(task);
        task.resolve(step.addresses);
      }
    } catch (error) {
      this.#retry(task, error);
    }
  }

  async #putRecord(task: AssignTask, holdings: readonly AssignedAddress[]): Promise<"stored" | "conflict"> {
    const known = this.#records.get(task.handle);
    const record = handleRecord(task.handle, holdings);
    if (known !== undefined && sameHoldings(known.value, record)) return "stored";
    task.wrote = true;
    // Until the store has answered, nobody knows what stands there.
    task.recordUnknown = true;
    const value = known === undefined ? record : { ...known.value, spec: record.spec };
    const written = await this.#store.handles.put(task.handle, value, known?.revision);
    if (written === "conflict") {
      // The handle had a record already, so what it names is not this task's to take back.
      if (known === undefined) task.heldBefore = true;
      return "conflict";
    }
    this.#records.set(task.handle, written);
    task.recordUnknown = false;
    return "stored";
  }

  async #finishRelease(task: ReleaseTask, blocks: readonly Promise<"stored" | "conflict">[]): Promise<void> {
    try {
      const answers = await settledAll(blocks);
      if (answers.includes("conflict")) return this.#retry(task, undefined);
      const record = this.#records.get(task.handle);
      this.#records.delete(task.handle);
      if (record !== undefined && (await this.#store.handles.remove(task.handle, record.revision)) === "conflict") {
        return this.#retry(task, undefined);
      }
      this.#queue.done(task);
      task.resolve([...task.freed]);
    } catch (error) {
      this.#retry(task, error);
    }
  }

  /** Makes room for the first of those that found none; all of them are tried again, since they may share it. */
  async #grow(short: readonly ShortTask[]): Promise<void> {
    const [first, ...others] = short;
    if (first === undefined) return;
    const { task } = first;
    try {
      const room = ++task.growths > maxGrowths ? "contended" : await this.#makeRoom(first);
      if (room === "contended") this.#retry(task, undefined);
      else if (room === "found") this.#queue.again(task);
      else this.#fail(task, room);
    } catch (error) {
      this.#retry(task, error);
    }
    for (const other of others) this.#queue.again(other.task);
  }

  async #makeRoom({ task, version, choices }: ShortTask): Promise<"found" | "contended" | Error> {
    const { usable, refused } = choices[version];
    if (usable.length === 0) return noPoolError(task.request, { node: this.#node, version, refused });
    if (!task.reloaded) {
      task.reloaded = true;
      await this.#blocks.reload();
      return "found";
    }
    const limits = await readLimits(this.#store);
    if (limits.autoAllocateBlocks && this.#blocks.owned(version) < limits.maxBlocks) {
      const claimed = await this.#blocks.claim(usable, this.#clock.now());
      if (claimed !== "none") return claimed === "claimed" ? "found" : "contended";
    }
    if (!limits.strictAffinity) {
      task.borrow = true;
      if ((await this.#blocks.borrow(usable)) === "found") return "found";
    }
    const ownBlocks = this.#blocks.owned(version);
    return exhaustedError(task.request, { node: this.#node, version, pools: usable, ownBlocks, ...limits });
  }

  /** `error` undefined: another writer was first. */
  #retry(task: Task, error: unknown): void {
    if (error === undefined) task.conflicts++;
    else task.failures++;
    if (task.failures > maxFailures) this.#fail(task, error);
    else if (task.conflicts > maxConflicts) this.#fail(task, contendedError(task.handle, this.#node, maxConflicts));
    else void this.#later(task);
  }

  async #later(task: Task): Promise<void> {
    // Another writer is done in milliseconds; a server that is away is not.
    const ms = task.failures > 0 ? 50 * 2 ** task.failures : 2 ** Math.min(task.conflicts, 8);
    await this.#clock.sleep(ms * (0.5 + this.#clock.random()));
    this.#queue.again(task);
  }

  /** Answers the error once what the task has written is taken back. */
  #fail(task: Task, error: unknown): void {
    if (task.kind === "release" || !task.wrote || task.heldBefore === true) {
      this.#queue.done(task);
      task.reject(error);
      return;
    }
    const resolve = () => task.reject(error);
    const reject = (undoing: unknown) => task.reject(notUndone(task, error, undoing));
    this.#queue.again(releaseTask(task.handle, task.failures, { resolve, reject }));
  }
}

// --- internal ---

/** All answers, once all are there; the first error only then, so that nothing is under way any more when a task goes on. */
async function settledAll<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

function notUndone({ handle }: Task, error: unknown, undoing: unknown): AggregateError {
  const [first, second] = [error, undoing].map(messageOf);
  return new AggregateError(
    [error, undoing],
    `${first}; and what handle ${handle} was given meanwhile is still held: ${second}`,
  );
}

import type { NodeName } from "../api/names.ts";
import { allEnded } from "../net/all-ended.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import { type Batch, type Step, type StuckTask, settleBatch } from "./batch.ts";
import { unselectedBlocks } from "./free-blocks.ts";
import type { AssignedAddress, AssignRequest, Ipam } from "./ipam.ts";
import { NodeBlocks } from "./node-blocks.ts";
import { type NodeContext, readNodeContext, readReleaseContext } from "./node-context.ts";
import { isConflict, noteTaken, type Outcome } from "./outcomes.ts";
import { cancelledError } from "./pool-errors.ts";
import { putRecord } from "./put-record.ts";
import { type LateWork, RecordKeeper } from "./record-keeper.ts";
import type { Reservations } from "./reservations.ts";
import type { ReserveOptions } from "./reserve-options.ts";
import { ReserveTender } from "./reserve-tender.ts";
import { makeRoom } from "./room.ts";
import type { IpamStore } from "./store.ts";
import { type AssignTask, assignTask, type ReleaseTask, releaseTask, type Task, type TendTask } from "./task.ts";
import { TaskEnds } from "./task-ends.ts";
import { TaskQueue } from "./task-queue.ts";
import type { Tended } from "./tending.ts";

/** What an allocator works with. */
export interface AllocatorOptions {
  readonly store: IpamStore;
  /** The node whose pods this allocator serves; there should be one allocator for a node, and it is safe if there are more. */
  readonly node: NodeName;
  readonly clock: Clock;
  /** Writes the records of handles once nobody waits. Without it an address is answered when its record is written too. */
  readonly late?: LateWork;
  /** Has some addresses held for pods to come, where `late` is there too. */
  readonly reserve?: ReserveOptions;
}

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
  readonly #ends: TaskEnds;
  readonly #tender: ReserveTender | undefined;
  #reservations: Reservations | undefined;

  constructor({ store, node, clock, late, reserve }: AllocatorOptions) {
    this.#store = store;
    this.#node = node;
    this.#clock = clock;
    this.#blocks = new NodeBlocks(store, node, clock);
    this.#records = new RecordKeeper(store, late);
    this.#queue = new TaskQueue(
      (tasks) => this.#round(tasks),
      () => clock.sleep(gatherMs),
    );
    this.#ends = new TaskEnds({ node, clock, queue: this.#queue });
    if (late === undefined || reserve === undefined) return;
    const parts = { node, store, clock, blocks: this.#blocks, records: this.#records, late, options: reserve };
    this.#tender = new ReserveTender({ ...parts, add: (look) => this.#queue.add(look) });
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
    if (this.#tender?.mayServe(request) && this.#queue.begin(task)) void this.#serveAtOnce(task);
    else this.#queue.add(task);
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  release(handle: string, why: string): Promise<readonly Ip[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Ip[]>();
    this.#queue.add(releaseTask({ handle, why }, 0, { resolve, reject }));
    return promise;
  }

  /** Puts in order, when it suits, what an earlier process of the node held for pods to come. */
  begin(): void {
    this.#tender?.begin();
  }

  /** Gives back what is held for pods to come, and writes down what was given of it. Rejects as the store does. */
  async stop(): Promise<void> {
    await this.#tender?.stop();
  }

  /** Gives what the node holds already, if it holds enough; else the task takes the usual way. */
  async #serveAtOnce(task: AssignTask): Promise<void> {
    try {
      const context = await this.#readContext([task]);
      if (this.#ends.cancel(task)) return;
      const addresses = this.#tender?.take(task.request, context);
      if (addresses === undefined) return this.#queue.again(task);
      task.request.onChosen?.(addresses);
      this.#queue.done(task);
      task.resolve(addresses);
    } catch (error) {
      this.#ends.retry(task, error);
    }
  }

  async #round(all: readonly Task[]): Promise<void> {
    const tasks = all.filter((task) => !this.#ends.cancel(task));
    if (tasks.length === 0) return;
    let known: readonly Task[] = tasks;
    try {
      const fresh = await this.#blocks.refresh();
      for (const task of tasks) if (task.kind === "assign") task.reloaded ||= fresh;
      const context = await this.#readContext(tasks);
      known = (await this.#readRecords(tasks)).filter((task) => !this.#ends.cancel(task));
      const tending = await this.#tender?.plan(known, context);
      const { closed, blocks } = this.#blocks.view();
      const tended = tending && this.#tender?.tend({ closed, blocks }, tending);
      const recordOf = (handle: string) => this.#records.get(handle)?.value;
      const batch = settleBatch(known, { closed, blocks: tended?.blocks ?? blocks }, recordOf, context);
      const rest = tended && { ...tended, blocks: batch.blocks };
      const filled = rest && this.#tender?.refill(rest, closed, { ...tending, isShort: batch.stuck.length > 0 });
      const looks = known.filter((task) => task.kind === "tend");
      known = [];
      await this.#write(filled === undefined ? batch : { ...batch, blocks: filled.blocks }, filled, looks);
      await this.#grow(batch.stuck, context);
      await this.#giveBack(context);
    } catch (error) {
      for (const task of known) this.#ends.retry(task, error);
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
        if (task.kind === "tend") return [task];
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
          this.#ends.retry(task, error);
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
  async #write({ blocks, steps }: Batch, tended: Tended | undefined, looks: readonly TendTask[]): Promise<void> {
    const writes = new Map<Cidr, Promise<Outcome>>();
    for (const cidr of new Set([...steps.flatMap((step) => step.blocks), ...(tended?.changed ?? [])])) {
      const block = blocks.get(cidr);
      if (block !== undefined) writes.set(cidr, this.#blocks.write(block));
    }
    const noteStored = (cidr: Cidr) => tended && this.#tender?.stored(cidr, tended);
    // What an earlier try has named already, whose answer was lost.
    for (const { block } of tended?.named ?? []) if (!writes.has(block)) noteStored(block);
    for (const step of steps) {
      const own = step.blocks.flatMap((cidr) => writes.get(cidr) ?? []);
      if (step.task.kind === "assign") void this.#finishAssign(step.task, step, own);
      else void this.#finishRelease(step.task, step, own);
    }
    const noted = [...writes].map(async ([cidr, write]) => {
      const outcome = await write;
      if (outcome === "stored") noteStored(cidr);
      else if (tended !== undefined) this.#tender?.refused(cidr, tended);
      return outcome;
    });
    const outcomes = await Promise.allSettled(noted);
    for (const task of looks) this.#finishTend(task, outcomes);
  }

  #finishTend(task: TendTask, outcomes: readonly PromiseSettledResult<Outcome>[]): void {
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) this.#ends.retry(task, failure.reason);
    else if (outcomes.some(isConflict)) this.#ends.retry(task, undefined);
    else if (this.#tender?.fault !== undefined) this.#ends.fail(task, this.#tender.fault);
    else {
      this.#queue.done(task);
      task.resolve();
    }
  }

  async #finishAssign(task: AssignTask, step: Step, blocks: readonly Promise<Outcome>[]): Promise<void> {
    task.wrote ||= blocks.length > 0;
    const isLate = this.#mayRecordLate(step);
    task.request.onChosen?.(step.addresses);
    const outcomes = await Promise.allSettled([
      ...blocks,
      ...(isLate ? [] : [putRecord(this.#records, task, step.holdings)]),
    ]);
    noteTaken(task, step, outcomes);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) this.#ends.retry(task, failure.reason);
    else if (outcomes.some(isConflict)) this.#ends.retry(task, undefined);
    else if (!this.#ends.cancel(task)) {
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

  async #finishRelease(task: ReleaseTask, step: Step, blocks: readonly Promise<Outcome>[]): Promise<void> {
    try {
      const answers = await allEnded(blocks);
      if (answers.includes("conflict")) {
        const lost = step.addresses.filter(({ block }) => answers[step.blocks.indexOf(block)] === "conflict");
        for (const { ip } of lost) task.freed.delete(ip);
        return this.#ends.retry(task, undefined);
      }
      // What an undoing leaves was held before, and keeps its record.
      if (step.holdings.length > 0) this.#records.remember(task.handle, undefined);
      else if ((await this.#records.remove(task.handle)) === "conflict") return this.#ends.retry(task, undefined);
      this.#queue.done(task);
      task.resolve([...task.freed]);
    } catch (error) {
      this.#ends.retry(task, error);
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
      if (room === "contended") this.#ends.retry(task, undefined);
      else if (room === "found") this.#queue.again(task);
      else this.#ends.fail(task, room);
    } catch (error) {
      this.#ends.retry(task, error);
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
}

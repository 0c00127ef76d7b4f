import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import { hasFreeBlock } from "./free-blocks.ts";
import { type AssignedAddress, type AssignRequest, anybody } from "./ipam.ts";
import type { NodeBlocks } from "./node-blocks.ts";
import { choicesOf, type NodeContext } from "./node-context.ts";
import { straysError } from "./pool-errors.ts";
import type { LateWork, RecordKeeper } from "./record-keeper.ts";
import { Reserve } from "./reserve.ts";
import type { Owners, ReserveOptions } from "./reserve-options.ts";
import { type BlockView, holdingsOf } from "./settle.ts";
import type { IpamStore } from "./store.ts";
import { type Task, type TendTask, tendTask } from "./task.ts";
import type { Tended, TendOptions } from "./tending.ts";

/** What the reserve is tended with. */
export interface ReserveTenderParts {
  readonly node: NodeName;
  readonly store: Pick<IpamStore, "blocks">;
  readonly clock: Clock;
  readonly blocks: NodeBlocks;
  readonly records: RecordKeeper;
  readonly late: LateWork;
  readonly options: ReserveOptions;
  /** Has a look at the reserve take part in one of the next rounds. */
  readonly add: (look: TendTask) => void;
}

/** How often it is looked whether what is held is still to be held. */
const lookMs = 5_000;
/**
 * For so long what the store has said of a block counts. Well below the time for which a deleted Node's agent must have been silent
 * before anybody frees what the node holds.
 */
const freshMs = 20_000;

/** When the reserve of one allocator is looked at, and what its rounds do for it beside their tasks. */
export class ReserveTender {
  readonly #parts: ReserveTenderParts;
  readonly #reserve: Reserve;
  readonly #stopped = new AbortController();
  #isWatching = false;
  #looking: Promise<void> | undefined;
  #isPut = false;
  #roomy: { readonly atMs: number; readonly ownBlocks: number; readonly pools: ReadonlySet<string> } | undefined;
  #ownersFault: { readonly atMs: number; readonly error: unknown } | undefined;

  constructor(parts: ReserveTenderParts) {
    this.#parts = parts;
    this.#reserve = new Reserve(parts.node, parts.options);
  }

  /** Puts in order, when it suits, what an earlier process of the node held. */
  begin(): void {
    this.#lookLater();
  }

  /** Gives back what is held, and writes down what was given of it. Rejects as the store does. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("Cannot wait: the allocator is ending"));
    this.#reserve.close();
    // Not a look that is under way: it, and a round beside it, may just be taking more.
    if (this.#reserve.isWanted || this.#reserve.hasStrays(this.#parts.blocks.view())) await this.#lookOnce();
  }

  /** Whether the request may get something that is held; the rest is for `take` to say. */
  mayServe({ mayBeNamedLater = false, addresses = [], isUnfit, handle }: AssignRequest): boolean {
    if (!mayBeNamedLater || addresses.length > 0 || isUnfit !== undefined) return false;
    return this.#reserve.hasSome && this.#parts.records.get(handle) === undefined && !this.#reserve.hasGiven(handle);
  }

  /** Gives what is held; undefined, and nothing, when that is not enough. */
  take(request: AssignRequest, context: NodeContext): readonly AssignedAddress[] | undefined {
    const view = this.#parts.blocks.view();
    if (holdingsOf(view.blocks, request.handle).length > 0) return undefined;
    const isFresh = (block: Cidr) => this.#parts.blocks.isFresh(block, freshMs);
    const addresses = this.#reserve.take(request, { context, view, isFresh });
    if (addresses === undefined) return undefined;
    if (this.#reserve.isLow) this.#look().catch(() => this.#lookLater());
    else this.#lookLater();
    return addresses;
  }

  /** What is due in a round of these tasks; undefined when there is none. Rejects as the store does. */
  async plan(tasks: readonly Task[], context: NodeContext): Promise<TendOptions | undefined> {
    if (tasks.length === 0) return undefined;
    const ending = new Set(tasks.flatMap(({ kind, handle }) => (kind === "release" ? handle : [])));
    const nothing = { wanted: new Set<Ip>(), isShort: false, roomyPools: new Set<string>() };
    const base = { ...nothing, context, ending, owners: await this.#owners(tasks, context) };
    if (tasks.every((task) => task.kind === "release")) return { ...base, only: ending };
    const assigns = tasks.filter((task) => task.kind === "assign");
    for (const { request } of assigns) if (request.mayBeNamedLater) this.#reserve.noteAsked(request, context.nowMs);
    return {
      ...{ ...base, roomyPools: await this.#roomyPools(context) },
      wanted: new Set(assigns.flatMap(({ request: { addresses = [] } }) => addresses)),
      isShort: assigns.some(({ reloaded, growths }) => reloaded && growths > 0),
    };
  }

  /** As `Reserve.tend`, before the tasks of a round are settled. */
  tend(view: BlockView, due: TendOptions): Tended {
    return this.#reserve.tend(view, due);
  }

  /** As `Reserve.refill`, after that. */
  refill(tended: Tended, closed: ReadonlySet<Cidr>, due: TendOptions): Tended {
    return this.#reserve.refill(tended, closed, due);
  }

  /** As `Reserve.refused`. */
  refused(cidr: Cidr, tended: Tended): void {
    this.#reserve.refused(cidr, tended);
  }

  /** The block stands as was planned. */
  stored(cidr: Cidr, tended: Tended): void {
    const named = this.#reserve.stored(cidr, tended);
    if (!this.#reserve.isIdle) void this.#watch();
    const { blocks, records } = this.#parts;
    const view = blocks.view();
    for (const handle of named) {
      const holdings = holdingsOf(view.blocks, handle);
      if (holdings.length > 0) records.writeLate(handle, holdings);
    }
  }

  /** Why a look that has written all that it could is to be repeated; undefined when it need not. */
  get fault(): unknown {
    if (!this.#reserve.hasStrays(this.#parts.blocks.view())) return undefined;
    return this.#ownersFault?.error ?? straysError(this.#parts.node);
  }

  /** One look at a time; rejects as the store does, when it has been tried often enough. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  #lookOnce(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { blocks, add } = this.#parts;
    // It may be somebody else's by now, where this node was taken for gone.
    for (const cidr of this.#reserve.blocks) if (!blocks.isFresh(cidr, lookMs)) blocks.doubt(cidr);
    add(tendTask(this.#reserve.handle, { resolve, reject }));
    return promise;
  }

  #lookLater(): void {
    // One that has failed is tried again ever more slowly, unless it is put anew.
    if (this.#isPut) return;
    this.#isPut = true;
    this.#parts.late.put(this.#reserve.handle, async () => {
      await this.#look();
      this.#isPut = false;
      if (!this.#reserve.isNamed) this.#lookLater();
    });
  }

  /** Looks from time to time, while something is held. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const rested = () =>
      this.#parts.clock.sleep(lookMs, this.#stopped.signal).then(
        () => true,
        // A sleep ends early only for `stop`.
        () => false,
      );
    while (!this.#reserve.isIdle && (await rested())) this.#lookLater();
    this.#isWatching = false;
  }

  /** Whose that is which an earlier process held. Where it cannot be told, only looks fail, and other rounds do not ask each time. */
  async #owners(tasks: readonly Task[], { nowMs }: NodeContext): Promise<Owners | undefined> {
    const isLook = tasks.some((task) => task.kind === "tend");
    const isFailing = this.#ownersFault !== undefined && Math.abs(nowMs - this.#ownersFault.atMs) < lookMs;
    if (isFailing && !isLook) return undefined;
    this.#ownersFault = undefined;
    try {
      return await this.#reserve.ownersOf(this.#parts.blocks.view());
    } catch (error) {
      this.#ownersFault = { atMs: nowMs, error };
      return undefined;
    }
  }

  /**
   * The pools in which other nodes can make blocks their own. From time to time only, and then what somebody has changed in our
   * blocks is read too: what was released by force is not to be given any more.
   */
  async #roomyPools(context: NodeContext): Promise<ReadonlySet<string>> {
    const { store, blocks } = this.#parts;
    const own = blocks.own();
    const last = this.#roomy;
    const isFresh = last !== undefined && Math.abs(context.nowMs - last.atMs) < lookMs;
    if (isFresh && last.ownBlocks === own.length) return last.pools;
    const listed = await store.blocks.list();
    if (!this.#reserve.isIdle) await blocks.compare(listed);
    const choices = choicesOf(anybody, context);
    const usable = context.limits.autoAllocateBlocks ? [...choices[4].usable, ...choices[6].usable] : [];
    // The list may not have what was claimed just now.
    const known = [...listed.map(({ value }) => value), ...own];
    const roomy = usable.filter((pool) => hasFreeBlock(pool, known, context));
    const pools = new Set(roomy.map(({ metadata }) => metadata.name));
    this.#roomy = { atMs: context.nowMs, ownBlocks: own.length, pools };
    return pools;
  }
}

import type { IpPool } from "../api/ip-pool.ts";
import type { AllocationAttribute, IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import { claimBlock, isConfirmed, isLendable, isOwnedBy, loadOwnBlocks, readBlock } from "./affinity.ts";
import { addressesOf } from "./block.ts";
import { shuffled } from "./block-order.ts";
import { claimableBlocks, reclaimableBlocks } from "./free-blocks.ts";
import { type GiveUpOptions, giveUpBlock } from "./give-up.ts";
import type { NodeContext } from "./node-context.ts";
import { poolOfBlock } from "./pools.ts";
import type { BlockView } from "./settle.ts";
import type { IpamStore, Stored } from "./store.ts";
import { timestampOf } from "./timestamp.ts";

/** So many other nodes may get there first before a search is given up and begun anew later. */
const maxTries = 32;

/**
 * One node's memory of the blocks it works with: its own, and those it has borrowed from. Memory may be behind the
 * store; a write then answers "conflict", and the block is read again before it is used again.
 */
export class NodeBlocks {
  readonly #store: IpamStore;
  readonly #node: NodeName;
  readonly #clock: Clock;
  readonly #blocks = new Map<Cidr, Stored<IpamBlock>>();
  readonly #stale = new Set<Cidr>();
  /** When the request was sent of which the answer is what is remembered. */
  readonly #confirmedAt = new Map<Cidr, Moment>();
  /** Remembered for what is held there; nothing is given from them. */
  readonly #closed = new Set<Cidr>();
  #loaded = false;

  constructor(store: IpamStore, node: NodeName, clock: Clock) {
    this.#store = store;
    this.#node = node;
    this.#clock = clock;
  }

  /** Brings memory up to date where it is known to be behind. True when everything was read just now. */
  async refresh(): Promise<boolean> {
    const first = !this.#loaded;
    if (first) {
      for (const block of await loadOwnBlocks(this.#store, this.#node)) this.#remember(block, true);
      await this.#loadBorrowed();
      this.#loaded = true;
    }
    await Promise.all([...this.#stale].map((cidr) => this.#read(cidr)));
    return first;
  }

  /** Reads the node's own blocks again where the list says otherwise; somebody may have freed addresses in them. */
  async compare(listed: readonly Stored<IpamBlock>[]): Promise<void> {
    const revisions = new Map(listed.map(({ value, revision }) => [value.spec.cidr, revision]));
    const own = [...this.#blocks].filter(([, { value }]) => isOwnedBy(value, this.#node));
    const other = own.filter(([cidr, { revision }]) => this.#closed.has(cidr) || revisions.get(cidr) !== revision);
    await Promise.all(other.map(([cidr]) => this.#read(cidr)));
  }

  /** Remembers the blocks of a handle's record too, as they are now where memory knows of less than the record says. */
  async include(handle: string, counts: Readonly<Record<string, number>>): Promise<void> {
    const cidrs = Object.keys(counts) as Cidr[];
    const isBehind = (cidr: Cidr) => {
      const block = this.#blocks.get(cidr)?.value;
      return block === undefined || addressesOf(block, handle).length < (counts[cidr] ?? 0);
    };
    await Promise.all(cidrs.filter(isBehind).map((cidr) => this.#read(cidr)));
  }

  /** Whether it is the node's own, as far as memory is up to date. */
  isOwn(cidr: Cidr): boolean {
    const block = this.#blocks.get(cidr)?.value;
    return block !== undefined && isOwnedBy(block, this.#node);
  }

  /** Whether the store has said less than `ms` ago that the block is as it is remembered, by either clock: one may have stood still. */
  isFresh(cidr: Cidr, ms: number): boolean {
    const at = this.#confirmedAt.get(cidr);
    const now = this.#now();
    return at !== undefined && now.monotonic - at.monotonic < ms && Math.abs(now.wall - at.wall) < ms;
  }

  /** Has a block read again before it is used again. */
  doubt(cidr: Cidr): void {
    this.#stale.add(cidr);
  }

  /** Has the node's own closed blocks in these pools read again; false when there is none. */
  doubtClosed(pools: readonly IpPool[]): boolean {
    const closed = this.own().filter(
      ({ spec }) => this.#closed.has(spec.cidr) && poolOfBlock(pools, spec.cidr) !== undefined,
    );
    for (const { spec } of closed) this.doubt(spec.cidr);
    return closed.length > 0;
  }

  view(): BlockView {
    return { blocks: new Map([...this.#blocks].map(([cidr, { value }]) => [cidr, value])), closed: this.#closed };
  }

  /** The node's own blocks, as far as memory is up to date. */
  own(): readonly IpamBlock[] {
    return [...this.#blocks.values()].flatMap(({ value }) =>
      isOwnedBy(value, this.#node) && !this.#stale.has(value.spec.cidr) ? [value] : [],
    );
  }

  /** How many blocks the node owns in these pools. */
  countIn(pools: readonly IpPool[]): number {
    const own = [...this.#blocks.values()].filter(({ value }) => isOwnedBy(value, this.#node));
    return own.filter(({ value }) => poolOfBlock(pools, value.spec.cidr) !== undefined).length;
  }

  /** Stores a changed block. Rejects as the store does; then it is unknown whether the write took effect. */
  async write(block: IpamBlock): Promise<"stored" | "conflict"> {
    const { cidr } = block.spec;
    // Behind until proven otherwise: a reader must not take this block as it was before the write.
    this.#stale.add(cidr);
    const sentAt = this.#now();
    const written = await this.#store.blocks.put(cidr, block, this.#blocks.get(cidr)?.revision);
    if (written === "conflict") return "conflict";
    this.#remember(written, !this.#closed.has(cidr));
    this.#confirmedAt.set(cidr, sentAt);
    return "stored";
  }

  /**
   * Claims one more block in these pools; where every block is somebody's, an empty one that another node has had for a
   * while. "none" when there is no such block either.
   */
  async claim(
    pools: readonly IpPool[],
    listed: readonly Stored<IpamBlock>[],
    context: NodeContext,
  ): Promise<"claimed" | "none" | "contended"> {
    const known = { blocks: listed.map(({ value }) => value), mine: this.#blocks };
    let tries = 0;
    for (const cidr of claimableBlocks(pools, known, context)) {
      // After the first lost race the list is known to be old, and to ask costs less than to try.
      if (tries > 0 && (await this.#isOthers(cidr))) continue;
      if (await this.claimOne(cidr, context.nowMs)) return "claimed";
      if (++tries === maxTries) return "contended";
    }
    for (const block of reclaimableBlocks(pools, known, context)) {
      const outcome = await this.#endClaim(block, context);
      if (outcome === "deleted" && (await this.claimOne(block.cidr, context.nowMs))) return "claimed";
      if (++tries >= maxTries) return "contended";
    }
    return "none";
  }

  /** Claims this block, and remembers it; false when it is another node's. */
  async claimOne(cidr: Cidr, nowMs: number): Promise<boolean> {
    const block = await claimBlock(this.#store, {
      ...{ node: this.#node, cidr },
      ...{ claimedAt: timestampOf(nowMs), sequenceNumber: this.#newSequenceNumber() },
    });
    if (block === "taken") return false;
    this.#remember(block, true);
    return true;
  }

  /** Finds a block of others in these pools with a free address, and remembers it. */
  async borrow(
    pools: readonly IpPool[],
    listed: readonly Stored<IpamBlock>[],
    { reservations }: NodeContext,
  ): Promise<"found" | "none"> {
    const lends = (block: IpamBlock) =>
      isLendable(block, this.#node, reservations.ofBlock(block.spec.cidr)?.isReserved);
    const lenders = listed
      .map(({ value }) => value)
      .filter((block) => lends(block) && poolOfBlock(pools, block.spec.cidr) !== undefined);
    for (const { spec } of shuffled(lenders, this.#node, (block) => block.spec.cidr)) {
      await this.#read(spec.cidr);
      const now = this.#blocks.get(spec.cidr);
      if (now !== undefined && lends(now.value) && !this.#closed.has(spec.cidr)) return "found";
    }
    return "none";
  }

  /** Gives an empty block of the node up. */
  async giveUp(cidr: Cidr, context: NodeContext): Promise<void> {
    this.#stale.add(cidr);
    await this.#endClaim({ node: this.#node, cidr }, context);
    await this.#read(cidr);
  }

  /** Ends a node's claim on an empty block. After a lost race the next try takes back the mark of the first. */
  async #endClaim(block: Pick<GiveUpOptions, "node" | "cidr" | "sequenceNumber">, { nowMs, limits }: NodeContext) {
    const cooldown = { nowMs, cooldownSeconds: limits.cooldownSeconds };
    for (let tries = 1; ; tries++) {
      const outcome = await giveUpBlock(this.#store, { ...block, evenIfUsed: false, cooldown });
      if (outcome !== "conflict" || tries === maxTries) return outcome;
    }
  }

  /** Blocks that are not the node's, or no longer, in which an earlier process of it took addresses: their records may be missing. */
  async #loadBorrowed(): Promise<void> {
    const isOurs = ({ secondary }: AllocationAttribute) => secondary?.["node"] === this.#node;
    const others = (await this.#store.blocks.list()).filter(({ value }) => !this.#blocks.has(value.spec.cidr));
    const lent = others.filter(({ value }) => value.spec.attributes.some(isOurs));
    await Promise.all(lent.map(({ value }) => this.#read(value.spec.cidr)));
  }

  async #isOthers(cidr: Cidr): Promise<boolean> {
    const block = await readBlock(this.#store, cidr);
    return block?.value.spec.affinity !== undefined && !isOwnedBy(block.value, this.#node);
  }

  /** In no earlier block of this network has a number been used that this one will come to, whatever the nodes' clocks say. */
  #newSequenceNumber(): bigint {
    const [ms, fraction] = [Math.floor(this.#clock.now()), Math.floor(this.#clock.random() * 1e6)];
    return BigInt(ms) * 1_000_000n + BigInt(fraction);
  }

  #now(): Moment {
    return { monotonic: this.#clock.monotonicNow(), wall: this.#clock.now() };
  }

  async #read(cidr: Cidr): Promise<void> {
    const sentAt = this.#now();
    const block = await readBlock(this.#store, cidr);
    if (block === undefined) return this.#forget(cidr);
    this.#remember(block, await isConfirmed(this.#store, block.value));
    this.#confirmedAt.set(cidr, sentAt);
  }

  #remember(block: Stored<IpamBlock>, isOpen: boolean): void {
    const { cidr } = block.value.spec;
    this.#blocks.set(cidr, block);
    this.#stale.delete(cidr);
    if (isOpen) this.#closed.delete(cidr);
    else this.#closed.add(cidr);
  }

  #forget(cidr: Cidr): void {
    this.#blocks.delete(cidr);
    this.#confirmedAt.delete(cidr);
    this.#stale.delete(cidr);
    this.#closed.delete(cidr);
  }
}

// --- internal ---

/** In milliseconds. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

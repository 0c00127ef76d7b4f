import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrsOverlap, cidrVersion, prefixLength } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import { claimBlock, isLendable, isOwnedBy, loadOwnBlocks, readBlock } from "./affinity.ts";
import { blockOrder, shuffled } from "./block-order.ts";
import { poolOfBlock } from "./pools.ts";
import type { Blocks } from "./settle.ts";
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
  readonly #blocks = new Map<Cidr, Stored<IpamBlock>>();
  readonly #stale = new Set<Cidr>();
  #loaded = false;

  constructor(store: IpamStore, node: NodeName) {
    this.#store = store;
    this.#node = node;
  }

  /** Brings memory up to date where it is known to be behind. True when everything was read just now. */
  async refresh(): Promise<boolean> {
    const first = !this.#loaded;
    if (first) await this.reload();
    await Promise.all([...this.#stale].map((cidr) => this.#read(cidr)));
    return first;
  }

  /** Reads all of the node's own blocks; somebody may have freed addresses in them. */
  async reload(): Promise<void> {
    const own = await loadOwnBlocks(this.#store, this.#node);
    for (const cidr of this.#blocks.keys()) this.#stale.add(cidr);
    for (const block of own) this.#remember(block);
    this.#loaded = true;
  }

  /** Remembers these blocks too, where there are such. */
  async include(cidrs: readonly Cidr[]): Promise<void> {
    await Promise.all(cidrs.filter((cidr) => !this.#blocks.has(cidr)).map((cidr) => this.#read(cidr)));
  }

  view(): Blocks {
    return new Map([...this.#blocks].map(([cidr, { value }]) => [cidr, value]));
  }

  /** How many blocks of the family the node owns. */
  owned(version: IpVersion): number {
    const own = [...this.#blocks.values()].filter(({ value }) => isOwnedBy(value, this.#node));
    return own.filter(({ value }) => cidrVersion(value.spec.cidr) === version).length;
  }

  /** Stores a changed block. Rejects as the store does; then it is unknown whether the write took effect. */
  async write(block: IpamBlock): Promise<"stored" | "conflict"> {
    const { cidr } = block.spec;
    // Behind until proven otherwise: a reader must not take this block as it was before the write.
    this.#stale.add(cidr);
    const written = await this.#store.blocks.put(cidr, block, this.#blocks.get(cidr)?.revision);
    if (written === "conflict") return "conflict";
    this.#remember(written);
    return "stored";
  }

  /** Claims one more block in these pools; `nowMs` is since 1970. "none" when every block is somebody's. */
  async claim(pools: readonly IpPool[], nowMs: number): Promise<"claimed" | "none" | "contended"> {
    const listed = (await this.#store.blocks.list()).map(({ value }) => value);
    let tries = 0;
    for (const cidr of this.#claimable(pools, listed)) {
      const block = await claimBlock(this.#store, {
        ...{ node: this.#node, cidr },
        ...{ claimedAt: timestampOf(nowMs), sequenceNumber: BigInt(Math.floor(nowMs)) * 1_000_000n },
      });
      if (block !== "taken") {
        this.#remember(block);
        return "claimed";
      }
      if (++tries === maxTries) return "contended";
    }
    return "none";
  }

  /** Finds a block of others in these pools with a free address, and remembers it. */
  async borrow(pools: readonly IpPool[]): Promise<"found" | "none"> {
    const listed = (await this.#store.blocks.list()).map(({ value }) => value);
    const lenders = listed.filter(
      (block) => isLendable(block, this.#node) && poolOfBlock(pools, block.spec.cidr) !== undefined,
    );
    for (const { spec } of shuffled(lenders, this.#node, (block) => block.spec.cidr)) {
      await this.#read(spec.cidr);
      const now = this.#blocks.get(spec.cidr);
      if (now !== undefined && isLendable(now.value, this.#node)) return "found";
    }
    return "none";
  }

  /** First what is ours already but was never confirmed, then what nobody has. */
  *#claimable(pools: readonly IpPool[], listed: readonly IpamBlock[]): Generator<Cidr> {
    const own = listed.filter((block) => isOwnedBy(block, this.#node) && block.spec.unallocated.length > 0);
    for (const { spec } of own) {
      if (!this.#blocks.has(spec.cidr) && poolOfBlock(pools, spec.cidr) !== undefined) yield spec.cidr;
    }
    for (const pool of pools) yield* freeBlocks(pool, this.#node, listed);
  }

  async #read(cidr: Cidr): Promise<void> {
    const block = await readBlock(this.#store, cidr);
    if (block !== undefined) this.#remember(block);
    else this.#forget(cidr);
  }

  #remember(block: Stored<IpamBlock>): void {
    this.#blocks.set(block.value.spec.cidr, block);
    this.#stale.delete(block.value.spec.cidr);
  }

  #forget(cidr: Cidr): void {
    this.#blocks.delete(cidr);
    this.#stale.delete(cidr);
  }
}

// --- internal ---

function* freeBlocks(pool: IpPool, node: NodeName, listed: readonly IpamBlock[]): Generator<Cidr> {
  const { cidr, blockSize } = pool.spec;
  const inside = listed.map((block) => block.spec.cidr).filter((block) => cidrsOverlap(cidr, block));
  const taken = new Set(inside.filter((block) => prefixLength(block) === blockSize));
  const others = inside.filter((block) => prefixLength(block) !== blockSize);
  if (BigInt(taken.size) === 1n << BigInt(blockSize - prefixLength(cidr))) return;
  for (const block of blockOrder(pool, node)) {
    if (!taken.has(block) && !others.some((other) => cidrsOverlap(block, other))) yield block;
  }
}

import type { IpPool } from "../api/ip-pool.ts";
import { cidrsOverlap, cidrVersion, prefixLength } from "../net/cidr.ts";
import { compareText } from "../net/compare-text.ts";
import { type AddressRange, addressRange } from "./block-order.ts";

/** Whether addresses are given out from a pool, whoever asks, in the words of its `Allocatable` condition. */
export interface Allocatability {
  readonly status: "True" | "False";
  /** Upstream's reasons, and one of our own: no block fits into the pool. */
  readonly reason: "OK" | "CIDROverlap" | "Terminating" | "PoolDisabled" | "SmallerThanBlock";
  /** Continues the sentence "pool x …". */
  readonly message: string;
}

/**
 * Whether `pool` gives addresses, among all `pools` there are. Of pools that overlap only the oldest does: the one made
 * first, or first by name when they were made in the same second. One that is disabled is in nobody's way, one that is
 * being deleted still is.
 */
export function allocatability(pool: IpPool, pools: readonly IpPool[]): Allocatability {
  const { metadata, spec } = pool;
  if (metadata.deletionTimestamp !== undefined) return refusal("Terminating", "is being deleted");
  if (pool.isUnreadable) return refusal("PoolDisabled", "cannot be read; its conditions and the log say why");
  if (spec.disabled) return refusal("PoolDisabled", "is disabled");
  if (prefixLength(spec.cidr) > spec.blockSize) {
    return refusal("SmallerThanBlock", `is smaller than one of its blocks (/${spec.blockSize})`);
  }
  const serving = standing(pools);
  const isInTheWay = (other: IpPool) => isOlder(other, pool) && cidrsOverlap(other.spec.cidr, spec.cidr);
  const older = serving.has(pool) ? undefined : [...serving].find(isInTheWay);
  if (older === undefined) return { status: "True", reason: "OK", message: "gives addresses" };
  const { name, deletionTimestamp } = older.metadata;
  const why = deletionTimestamp === undefined ? "which is older" : "which is still being deleted";
  return refusal("CIDROverlap", `overlaps pool ${name} (${older.spec.cidr}), ${why}`);
}

// --- internal ---

function refusal(reason: Allocatability["reason"], message: string): Allocatability {
  return { status: "False", reason, message };
}

const standingOf = new WeakMap<readonly IpPool[], ReadonlySet<IpPool>>();

/** The pools that no older one is in the way of, the oldest first. */
function standing(pools: readonly IpPool[]): ReadonlySet<IpPool> {
  const known = standingOf.get(pools);
  if (known !== undefined) return known;
  const found = new Set<IpPool>();
  const ranges = { 4: new DisjointRanges(), 6: new DisjointRanges() };
  for (const pool of pools.toSorted(byAge)) {
    const { cidr, blockSize, disabled } = pool.spec;
    if (disabled || prefixLength(cidr) > blockSize) continue;
    if (ranges[cidrVersion(cidr)].add(addressRange(cidr))) found.add(pool);
  }
  standingOf.set(pools, found);
  return found;
}

/** Ranges of which no two overlap, in order. */
class DisjointRanges {
  readonly #ranges: AddressRange[] = [];

  /** False, and nothing added, when it overlaps one that is there. */
  add(range: AddressRange): boolean {
    const ranges = this.#ranges;
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle] as AddressRange).first < range.end) low = middle + 1;
      else high = middle;
    }
    const before = ranges[low - 1];
    if (before !== undefined && before.end > range.first) return false;
    ranges.splice(low, 0, range);
    return true;
  }
}

function isOlder(a: IpPool, b: IpPool): boolean {
  return byAge(a, b) < 0;
}

/** One without a time of creation is not stored yet, and so the youngest. */
function byAge(a: IpPool, b: IpPool): number {
  const ages = compareText(a.metadata.creationTimestamp ?? "~", b.metadata.creationTimestamp ?? "~");
  return ages !== 0 ? ages : compareText(a.metadata.name, b.metadata.name);
}

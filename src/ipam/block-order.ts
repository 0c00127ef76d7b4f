import type { IpPool } from "../api/ip-pool.ts";
import { type Cidr, cidrSize, cidrVersion, firstIp, prefixLength } from "../net/cidr.ts";
import { fnv1a } from "../net/fnv.ts";
import { bitsOf, ipFromNumber, ipToNumber } from "../net/ip.ts";

/** Addresses as numbers, from `first` up to, not including, `end`. */
export interface AddressRange {
  readonly first: bigint;
  readonly end: bigint;
}

/**
 * Every block of a pool once, in an order that `seed` fixes; only those that hold an address of `open`, in order and apart
 * from each other, if that is given. Two seeds start at different places and step differently, so that nodes rarely want
 * the same block, also in a pool that is nearly full. None when the pool is smaller than a block.
 */
export function* blockOrder(pool: IpPool, seed: string, open?: readonly AddressRange[]): Generator<Cidr> {
  const { cidr, blockSize } = pool.spec;
  if (blockSize < prefixLength(cidr)) return;
  const version = cidrVersion(cidr);
  const size = 1n << BigInt(bitsOf(version) - blockSize);
  const runs = blockRuns(open ?? [addressRange(cidr)], size);
  const count = runs.reduce((sum, { first, end }) => sum + end - first, 0n);
  if (count === 0n) return;
  const stride = strideOf(seed, count);
  let index = BigInt(hashOf(seed)) % count;
  for (let seen = 0n; seen < count; seen++) {
    yield `${ipFromNumber(numberAt(runs, index) * size, version)}/${blockSize}` as Cidr;
    index = (index + stride) % count;
  }
}

/** How many blocks `blockOrder` answers. */
export function blockCount({ spec: { cidr, blockSize } }: IpPool, open?: readonly AddressRange[]): bigint {
  if (blockSize < prefixLength(cidr)) return 0n;
  const size = 1n << BigInt(bitsOf(cidrVersion(cidr)) - blockSize);
  return blockRuns(open ?? [addressRange(cidr)], size).reduce((sum, { first, end }) => sum + end - first, 0n);
}

/** The addresses of a network. */
export function addressRange(cidr: Cidr): AddressRange {
  const first = ipToNumber(firstIp(cidr));
  return { first, end: first + cidrSize(cidr) };
}

/** `items` in an order that `seed` fixes. */
export function shuffled<T>(items: readonly T[], seed: string, keyOf: (item: T) => string): readonly T[] {
  const weight = new Map(items.map((item) => [item, hashOf(`${seed}/${keyOf(item)}`)]));
  return items.toSorted((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
}

// --- internal ---

/** The blocks that hold an address of the ranges, counted in blocks, each in one run only. */
function blockRuns(ranges: readonly AddressRange[], size: bigint): readonly AddressRange[] {
  const runs: AddressRange[] = [];
  for (const { first, end } of ranges) {
    const run = { first: first / size, end: (end + size - 1n) / size };
    const last = runs.at(-1);
    if (last === undefined || run.first >= last.end) runs.push(run);
    else runs[runs.length - 1] = { first: last.first, end: run.end };
  }
  return runs;
}

function numberAt(runs: readonly AddressRange[], index: bigint): bigint {
  let left = index;
  for (const { first, end } of runs) {
    if (left < end - first) return first + left;
    left -= end - first;
  }
  throw new Error(`Cannot find block ${index}: there are fewer`);
}

/** A step that meets every one of `count` before it comes round: it shares no divisor with it. */
function strideOf(seed: string, count: bigint): bigint {
  let stride = BigInt(hashOf(`${seed}/stride`)) | 1n;
  while (commonDivisor(stride, count) !== 1n) stride += 2n;
  return stride;
}

function commonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : commonDivisor(b, a % b);
}

/** Mixed beyond FNV-1a, so that names that differ in one character land far apart. */
function hashOf(text: string): number {
  let hash = fnv1a(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

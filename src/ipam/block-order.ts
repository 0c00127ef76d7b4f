import type { IpPool } from "../api/ip-pool.ts";
import { type Cidr, cidrVersion, firstIp, prefixLength } from "../net/cidr.ts";
import { fnv1a } from "../net/fnv.ts";
import { bitsOf, ipFromNumber, ipToNumber } from "../net/ip.ts";

/**
 * Every block of a pool once, in an order that `seed` fixes. Two seeds start at different places and step differently,
 * so that nodes rarely want the same block, also in a pool that is nearly full. None when the pool is smaller than a block.
 */
export function* blockOrder(pool: IpPool, seed: string): Generator<Cidr> {
  const { cidr, blockSize } = pool.spec;
  const free = blockSize - prefixLength(cidr);
  if (free < 0) return;
  const count = 1n << BigInt(free);
  const version = cidrVersion(cidr);
  const size = 1n << BigInt(bitsOf(version) - blockSize);
  const first = ipToNumber(firstIp(cidr));
  // The count is a power of two, so any odd stride meets every block before it comes round.
  const stride = BigInt(hashOf(`${seed}/stride`)) | 1n;
  let index = BigInt(hashOf(seed)) % count;
  for (let seen = 0n; seen < count; seen++) {
    yield `${ipFromNumber(first + index * size, version)}/${blockSize}` as Cidr;
    index = (index + stride) % count;
  }
}

/** `items` in an order that `seed` fixes. */
export function shuffled<T>(items: readonly T[], seed: string, keyOf: (item: T) => string): readonly T[] {
  const weight = new Map(items.map((item) => [item, hashOf(`${seed}/${keyOf(item)}`)]));
  return items.toSorted((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
}

// --- internal ---

/** Mixed beyond FNV-1a, so that names that differ in one character land far apart. */
function hashOf(text: string): number {
  let hash = fnv1a(text);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

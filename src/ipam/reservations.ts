/** Which addresses IPReservations keep out of automatic assignment, asked block by block. */
import type { IpReservation } from "../api/ip-reservation.ts";
import { type Cidr, cidrSize, cidrsOverlap, cidrVersion } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import { ipOf, type OrdinalTest } from "./block.ts";
import { type AddressRange, addressRange } from "./block-order.ts";
import type { AddressTest } from "./ipam.ts";

/** What is reserved of one block; undefined when nothing is. */
export interface BlockReservation {
  readonly isReserved: OrdinalTest;
  /** True when no address of the block may be given out by itself. */
  readonly isWhole: boolean;
}

/** Every reserved address, in an order that makes it cheap to ask for a block's. */
export class Reservations {
  readonly #list: readonly IpReservation[];
  readonly #ranges: Readonly<Record<IpVersion, readonly AddressRange[]>>;
  readonly #blocks = new Map<Cidr, BlockReservation | undefined>();
  readonly #isUnfit: AddressTest | undefined;

  constructor(list: readonly IpReservation[], isUnfit?: AddressTest) {
    this.#list = list;
    this.#isUnfit = isUnfit;
    const cidrs = list.flatMap(({ spec }) => spec.reservedCIDRs);
    const rangesOf = (version: IpVersion) =>
      merged(cidrs.filter((cidr) => cidrVersion(cidr) === version).map((cidr) => addressRange(cidr)));
    this.#ranges = { 4: rangesOf(4), 6: rangesOf(6) };
  }

  /** True when these are the reservations that this was made of. */
  isOf(list: readonly IpReservation[]): boolean {
    return list.length === this.#list.length && list.every((one, index) => one === this.#list[index]);
  }

  /** These and, address by address, what one holder cannot use. */
  besides(isUnfit: AddressTest): Reservations {
    return new Reservations(this.#list, isUnfit);
  }

  ofBlock(cidr: Cidr): BlockReservation | undefined {
    if (!this.#blocks.has(cidr)) this.#blocks.set(cidr, this.#compute(cidr));
    return this.#blocks.get(cidr);
  }

  /** The reservations that keep something of the network back, by name. */
  namesIn(cidr: Cidr): readonly string[] {
    const inside = this.#list.filter(({ spec }) => spec.reservedCIDRs.some((one) => cidrsOverlap(one, cidr)));
    return inside.map(({ metadata }) => metadata.name);
  }

  /** What is not reserved of a network, in order; undefined when nothing of it is reserved. */
  openIn(cidr: Cidr): readonly AddressRange[] | undefined {
    const whole = addressRange(cidr);
    const inside = this.#reservedIn(cidr);
    if (inside.length === 0) return undefined;
    const starts = [whole.first, ...inside.map(({ end }) => end)];
    const ends = [...inside.map(({ first }) => first), whole.end];
    return starts.map((first, index) => ({ first, end: ends[index] ?? first })).filter(({ first, end }) => first < end);
  }

  #compute(cidr: Cidr): BlockReservation | undefined {
    const { first: base } = addressRange(cidr);
    const inside = this.#reservedIn(cidr).map(({ first, end }) => ({
      first: Number(first - base),
      end: Number(end - base),
    }));
    const isUnfit = this.#isUnfit;
    if (inside.length === 0 && isUnfit === undefined) return undefined;
    const size = inside.reduce((sum, { first, end }) => sum + end - first, 0);
    return {
      isReserved: (ordinal) =>
        inside.some(({ first, end }) => ordinal >= first && ordinal < end) ||
        isUnfit?.(ipOf(cidr, ordinal), cidr) === true,
      isWhole: BigInt(size) === cidrSize(cidr),
    };
  }

  /** The reserved ranges, cut to the network. */
  #reservedIn(cidr: Cidr): readonly AddressRange[] {
    const whole = addressRange(cidr);
    const ranges = this.#ranges[cidrVersion(cidr)];
    const inside: AddressRange[] = [];
    for (const { first, end } of ranges.slice(firstEndingAfter(ranges, whole.first))) {
      if (first >= whole.end) break;
      inside.push(overlapOf({ first, end }, whole));
    }
    return inside;
  }
}

// --- internal ---

/** In order, those that touch made one. */
function merged(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const result: AddressRange[] = [];
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const last = result.at(-1);
    if (last === undefined || range.first > last.end) result.push(range);
    else if (range.end > last.end) result[result.length - 1] = { first: last.first, end: range.end };
  }
  return result;
}

function firstEndingAfter(ranges: readonly AddressRange[], at: bigint): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as AddressRange).end > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function overlapOf(a: AddressRange, b: AddressRange): AddressRange {
  // Math.min is not for bigints.
  const [first, end] = [a.first > b.first ? a : b, a.end > b.end ? b : a];
  return { first: first.first, end: end.end };
}

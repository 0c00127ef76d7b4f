import { type IpamBlock, podHoldersOf } from "../../api/ipam-block.ts";
import type { NamespacedName } from "../../api/names.ts";
import { type Cidr, cidrSize, cidrVersion, firstIp, prefixLength } from "../../net/cidr.ts";
import { type Ip, type IpVersion, ipFromNumber, ipToNumber, ipv4ToNumber, versionOf } from "../../net/ip.ts";
import { MultiMap } from "./multi-map.ts";

/**
 * Which pod may stand for an address, as far as the IPAM blocks tell. A Pod object can outlive its address, which then is
 * free or another pod's, and must not lend that its rights.
 */
export class AddressHolders {
  readonly #blocks = new Map<string, KnownBlock>();
  /** By version and prefix length, then by the bits of the prefix. */
  readonly #byLength = new Map<IpVersion, Map<number, MultiMap<number | bigint, KnownBlock>>>([
    [4, new Map()],
    [6, new Map()],
  ]);

  /** Answers the addresses that have other holders than before. */
  set(key: string, block: IpamBlock | undefined): readonly Ip[] {
    const before = this.#blocks.get(key);
    const now = block && knownBlock(block);
    if (before !== undefined) {
      this.#blocks.delete(key);
      this.#unlist(before);
    }
    if (now !== undefined) {
      this.#blocks.set(key, now);
      this.#list(now);
    }
    if (before !== undefined && before.cidr === now?.cidr) return changedAddresses(before, now);
    return [before, now].flatMap((one) => (one === undefined ? [] : addressesOf(one)));
  }

  /** False when the address lies in a block where it is free or somebody else's. */
  mayStandFor(pod: NamespacedName, ip: Ip): boolean {
    return this.#says(pod, ip) !== "not its";
  }

  /** True when the address lies in a block, and is the pod's in every one: for an address that only an annotation names. */
  isHeldBy(pod: NamespacedName, ip: Ip): boolean {
    return this.#says(pod, ip) === "its";
  }

  /** True when the address lies in a block where it has been given to anybody, a pod or not. */
  isTaken(ip: Ip): boolean {
    const number = numberOf(ip);
    for (const [length, byPrefix] of this.#byLength.get(versionOf(ip)) ?? []) {
      for (const { taken, first } of byPrefix.get(prefixOf(number, length))) {
        if (taken[ordinalOf(number, first)]) return true;
      }
    }
    return false;
  }

  #says(pod: NamespacedName, ip: Ip): "its" | "not its" | "nothing" {
    let says: "its" | "nothing" = "nothing";
    const number = numberOf(ip);
    for (const [length, byPrefix] of this.#byLength.get(versionOf(ip)) ?? []) {
      for (const { holders, first } of byPrefix.get(prefixOf(number, length))) {
        if (holders[ordinalOf(number, first)] !== pod) return "not its";
        says = "its";
      }
    }
    return says;
  }

  #list(block: KnownBlock): void {
    const byLength = this.#byLength.get(cidrVersion(block.cidr));
    const length = prefixLength(block.cidr);
    const byPrefix = byLength?.get(length) ?? new MultiMap<number | bigint, KnownBlock>();
    byLength?.set(length, byPrefix);
    byPrefix.add(prefixOf(block.first, length), block);
  }

  #unlist(block: KnownBlock): void {
    const byLength = this.#byLength.get(cidrVersion(block.cidr));
    const length = prefixLength(block.cidr);
    const byPrefix = byLength?.get(length);
    byPrefix?.delete(prefixOf(block.first, length), block);
    if (byPrefix?.size === 0) byLength?.delete(length);
  }
}

// --- internal ---

interface KnownBlock {
  readonly cidr: Cidr;
  /** As `numberOf` has it. */
  readonly first: number | bigint;
  /** One entry an address. */
  readonly holders: readonly (NamespacedName | undefined)[];
  /** One entry an address, as `holders`: also where no pod holds it. */
  readonly taken: readonly boolean[];
}

/** Undefined when it says nothing: it is about to be deleted, or has not one entry for each of its addresses. */
function knownBlock(block: IpamBlock): KnownBlock | undefined {
  const { cidr, allocations, deleted } = block.spec;
  if (deleted || BigInt(allocations.length) !== cidrSize(cidr)) return undefined;
  const taken = allocations.map((index) => index !== null);
  return { cidr, first: numberOf(firstIp(cidr)), holders: podHoldersOf(block), taken };
}

function changedAddresses(before: KnownBlock, now: KnownBlock): readonly Ip[] {
  return now.holders.flatMap((holder, ordinal) =>
    holder === before.holders[ordinal] ? [] : [addressAt(now, ordinal)],
  );
}

function addressesOf(block: KnownBlock): readonly Ip[] {
  return block.holders.map((_, ordinal) => addressAt(block, ordinal));
}

function addressAt({ cidr, first }: KnownBlock, ordinal: number): Ip {
  return ipFromNumber(BigInt(first) + BigInt(ordinal), cidrVersion(cidr));
}

/** Plain where it fits: every pod's address is asked about for every set that it could be in. */
function numberOf(ip: Ip): number | bigint {
  return versionOf(ip) === 4 ? ipv4ToNumber(ip) : ipToNumber(ip);
}

function prefixOf(number: number | bigint, length: number): number | bigint {
  return typeof number === "bigint" ? number >> BigInt(128 - length) : Math.floor(number / 2 ** (32 - length));
}

function ordinalOf(number: number | bigint, first: number | bigint): number {
  return typeof number === "bigint" ? Number(number - BigInt(first)) : number - Number(first);
}

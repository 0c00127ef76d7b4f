import { type IpamBlock, podHoldersOf } from "../../api/ipam-block.ts";
import type { NamespacedName } from "../../api/names.ts";
import { type Cidr, cidrSize, cidrVersion, firstIp, networkOf, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type Ip, ipFromNumber, ipToNumber, versionOf } from "../../net/ip.ts";
import { MultiMap } from "./multi-map.ts";

/**
 * Which pod may stand for an address, as far as the IPAM blocks tell. A Pod object can outlive its address, which then is
 * free or another pod's, and must not lend that its rights.
 */
export class AddressHolders {
  readonly #blocks = new Map<string, KnownBlock>();
  readonly #byCidr = new MultiMap<Cidr, KnownBlock>();
  readonly #byLength = new MultiMap<number, KnownBlock>();

  /** Answers the addresses that have other holders than before. */
  set(key: string, block: IpamBlock | undefined): readonly Ip[] {
    const before = this.#blocks.get(key);
    const now = block && knownBlock(block);
    if (before !== undefined) {
      this.#blocks.delete(key);
      this.#byCidr.delete(before.cidr, before);
      this.#byLength.delete(prefixLength(before.cidr), before);
    }
    if (now !== undefined) {
      this.#blocks.set(key, now);
      this.#byCidr.add(now.cidr, now);
      this.#byLength.add(prefixLength(now.cidr), now);
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

  #says(pod: NamespacedName, ip: Ip): "its" | "not its" | "nothing" {
    let says: "its" | "nothing" = "nothing";
    for (const length of this.#byLength.keys()) {
      if (length > bitsOf(versionOf(ip))) continue;
      for (const { holders, first } of this.#byCidr.get(networkOf(ip, length))) {
        if (holders[Number(ipToNumber(ip) - first)] !== pod) return "not its";
        says = "its";
      }
    }
    return says;
  }
}

// --- internal ---

interface KnownBlock {
  readonly cidr: Cidr;
  readonly first: bigint;
  /** One entry an address. */
  readonly holders: readonly (NamespacedName | undefined)[];
}

/** Undefined when it says nothing: it is about to be deleted, or has not one entry for each of its addresses. */
function knownBlock(block: IpamBlock): KnownBlock | undefined {
  const { cidr, allocations, deleted } = block.spec;
  if (deleted || BigInt(allocations.length) !== cidrSize(cidr)) return undefined;
  return { cidr, first: ipToNumber(firstIp(cidr)), holders: podHoldersOf(block) };
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
  return ipFromNumber(first + BigInt(ordinal), cidrVersion(cidr));
}

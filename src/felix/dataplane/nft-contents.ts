import type { NftSet } from "../../host/netlink/nftables.ts";
import { type SetDelta, setDelta } from "../../net/changed-set.ts";
import type { IpVersion } from "../../net/ip.ts";
import { NetCover } from "./nft-cover.ts";
import { keyOfNet, portText, rangeText } from "./nft-elements.ts";

/** What a set or map is to hold, as elements (`nft-elements.ts`), and how that changes with its members. */
export class NftContents {
  readonly #spec: NftSet;
  #members: ReadonlySet<string> = new Set();
  readonly #cover = new NetCover();

  /** Without members. */
  constructor(spec: NftSet) {
    this.#spec = spec;
  }

  /**
   * Answers what comes and goes when it is to hold these: members as rendering has them, of a map its entries as elements.
   * Throws when one is none of such a set.
   */
  become(members: ReadonlySet<string>): SetDelta<string> {
    const { added, removed } = setDelta(this.#members, members);
    this.#members = members;
    if (!this.#spec.interval) return { added: added.map(this.#textOf), removed: removed.map(this.#textOf) };
    const delta = this.#cover.change({
      added: added.map(keyOfNet),
      // An address may be there as a network of one as well.
      removed: removed.filter((member) => !members.has(otherSpelling(member))).map(keyOfNet),
    });
    const range = (key: (typeof delta.added)[number]) => rangeText(key, this.#version);
    return { added: delta.added.map(range), removed: delta.removed.map(range) };
  }

  /** How it differs from what the kernel was found to hold. */
  compare(found: ReadonlySet<string>): SetDelta<string> {
    const missing: string[] = [];
    let wanted = 0;
    for (const text of this.#texts()) {
      wanted++;
      if (!found.has(text)) missing.push(text);
    }
    // As many as are wanted, and all of them there: nothing else can be.
    if (found.size === wanted - missing.length) return { added: missing, removed: [] };
    const texts = new Set(this.#texts());
    return { added: missing, removed: [...found].filter((text) => !texts.has(text)) };
  }

  /** How many elements it is to hold. */
  get size(): number {
    return this.#spec.interval ? this.#cover.size : this.#members.size;
  }

  *#texts(): Iterable<string> {
    if (this.#spec.interval) for (const key of this.#cover.tops) yield rangeText(key, this.#version);
    else for (const member of this.#members) yield this.#textOf(member);
  }

  readonly #textOf = (member: string): string => (this.#spec.verdicts ? member : portText(member));

  get #version(): IpVersion {
    return this.#spec.key === "ipv6_addr" ? 6 : 4;
  }
}

// --- internal ---

function otherSpelling(member: string): string {
  const length = member.includes(":") ? "/128" : "/32";
  return member.endsWith(length) ? member.slice(0, -length.length) : member + length;
}

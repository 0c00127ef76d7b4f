import type { IpamBlock } from "../api/ipam-block.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { isHeldAs } from "./block.ts";
import type { Held, Tended } from "./tending.ts";

/** What was to be given back by a write that was refused, as somebody else was first: it is held still, where its block says so. */
export class RefusedReturns {
  readonly #held = new Map<Ip, Held>();

  note(cidr: Cidr, { returned }: Pick<Tended, "returned">): void {
    for (const { ip, ...held } of returned) if (held.block === cidr) this.#held.set(ip, held);
  }

  /** Answers once what the handle holds of it in these blocks, which must have been read since. */
  take(blocks: ReadonlyMap<Cidr, IpamBlock>, handle: string): readonly (readonly [Ip, Held])[] {
    const all = [...this.#held];
    this.#held.clear();
    return all.filter(([ip, { block, sequenceNumber }]) => {
      const known = blocks.get(block);
      return known !== undefined && isHeldAs(known, ip, { handle, sequenceNumber });
    });
  }
}

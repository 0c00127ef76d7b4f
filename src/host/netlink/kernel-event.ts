import type { Ip, IpVersion } from "../../net/ip.ts";
import type { KernelRoute } from "./netlink.ts";

/** Something that the kernel says has changed, whoever has changed it. */
export type KernelEvent =
  | {
      readonly kind: "link";
      readonly verb: Verb;
      readonly index: number;
      readonly name: string;
      readonly up: boolean;
      readonly operational: boolean;
      readonly mtu: number;
      readonly by: EventOrigin;
    }
  | {
      readonly kind: "address";
      readonly verb: Verb;
      readonly linkIndex: number;
      readonly ip: Ip;
      readonly prefixLength: number;
      readonly by: EventOrigin;
    }
  /** Of the main table. */
  | { readonly kind: "route"; readonly verb: Verb; readonly route: KernelRoute; readonly by: EventOrigin }
  /** One transaction of nf_tables, iptables-nft's too. */
  | { readonly kind: "nftables"; readonly changes: readonly NftablesChange[]; readonly by: EventOrigin }
  /** Events were lost: whatever is followed must be read anew. */
  | { readonly kind: "overrun"; readonly source: "route" | "nftables" };

/** Whether what it is about came or changed, or went. */
type Verb = "new" | "gone";

/** Who has done it, as far as the kernel tells. */
export interface EventOrigin {
  /** Netlink port of the request: mostly the process ID of a program. 0: the kernel itself. */
  readonly port: number;
  /** As seen from the first PID namespace; nf_tables alone tells. */
  readonly pid?: number;
  /** Name of the process (`/proc/PID/comm`); nf_tables tells it, and else it is looked up by the port while the process lives. */
  readonly process?: string;
}

/** One piece of a transaction. */
export interface NftablesChange {
  readonly verb: Verb;
  /** Undefined: of another family than IPv4 or IPv6, `inet` among them. */
  readonly version: IpVersion | undefined;
  readonly table: string;
  readonly what: "table" | "chain" | "rule" | "set" | "elements";
  /** Of a chain or a rule; the set's of a set or its elements. */
  readonly name: string | undefined;
}

/** Follows the kernel's events in one network namespace. */
export interface KernelMonitor {
  /** Ends it. No event is told of any more; resolves when its sockets are closed. */
  close(): Promise<void>;
}

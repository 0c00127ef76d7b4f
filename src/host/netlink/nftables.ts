/**
 * nf_tables over nfnetlink (linux/netfilter/nf_tables.h): transactions and listings of one network namespace.
 * `NftExpression.anonymous` is a set that is made with its rule; `NftSetKey` has `inet_service` for it, and `other` for what
 * somebody else has made in a table.
 */
import type { IpVersion } from "../../net/ip.ts";

/** One namespace's nf_tables. Names are as the kernel has them; registers and attributes are its own affair. */
export interface Nftables {
  /**
   * Carries out all of it in one transaction, in order, or nothing of it. Rejects with a `NetlinkError` that names the first
   * operation that was refused; the event loop goes on while the kernel commits.
   */
  commit(operations: readonly NftOperation[]): Promise<void>;
  /** The tables of a family, by name. */
  tables(version: IpVersion): Promise<readonly string[]>;
  /** Whether there is such a table whose chains hang on no hook (NFT_TABLE_F_DORMANT). */
  isDormant(table: NftTableId): Promise<boolean>;
  /** The chains of a table; none when there is no such table. */
  chains(table: NftTableId): Promise<readonly NftChain[]>;
  /** The rules of a table, or of one of its chains, in order; none when there is none of that name. */
  rules(table: NftTableId, chain?: string): Promise<readonly NftRule[]>;
  /** The sets and maps of a table, anonymous ones left out; none when there is no such table. */
  sets(table: NftTableId): Promise<readonly NftSet[]>;
  /** The elements of a set or map; none when there is none of that name. With `interval` it need not be asked what the set is. */
  elements(set: NftSetId & Partial<Pick<NftSet, "interval">>): Promise<readonly NftElement[]>;
  /** Netlink port of this socket: events of our own transactions bear it. */
  readonly port: number;
  close(): void;
}

/** A table of family `ip` or `ip6`. */
export interface NftTableId {
  readonly version: IpVersion;
  readonly table: string;
}

export interface NftSetId extends NftTableId {
  readonly set: string;
}

/** One step of a transaction. What is added and there already is no error, but for `add-rule`. */
export type NftOperation = NftTableId &
  (
    | { readonly kind: "add-table" | "delete-table" }
    | { readonly kind: "add-chain"; readonly chain: string; readonly base?: NftBaseChain }
    | { readonly kind: "flush-chain" | "delete-chain"; readonly chain: string }
    | {
        readonly kind: "add-rule";
        readonly chain: string;
        readonly rule: NftRuleBody;
        /** Where it goes: before (`insert`) or behind the rule with this handle; absent: to the end, or the beginning. */
        readonly at?: { readonly handle: bigint };
        readonly insert?: boolean;
      }
    | { readonly kind: "delete-rule"; readonly chain: string; readonly handle: bigint }
    | ({ readonly kind: "add-set" } & NftSet)
    | { readonly kind: "delete-set" | "flush-set"; readonly set: string }
    | {
        readonly kind: "add-elements" | "delete-elements";
        readonly set: string;
        readonly elements: readonly NftElement[];
      }
  );

/** How a chain hangs on a netfilter hook. */
export interface NftBaseChain {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  /** Lower comes first; iptables' tables have raw −300, mangle −150, destination NAT −100, filter 0, source NAT 100. */
  readonly priority: number;
}

export interface NftChain {
  readonly name: string;
  readonly base?: NftBaseChain;
  /** A base chain whose policy is to drop: one that we add accepts. */
  readonly drops?: true;
}

/** `comment` is in the rule's user data as nft(8) writes it there, so that it prints it. */
export interface NftRuleBody {
  readonly expressions: readonly NftExpression[];
  readonly comment: string;
}

/** As the kernel has it. Its expressions are not read back: a rule of ours is known by its comment. */
export interface NftRule {
  readonly chain: string;
  readonly handle: bigint;
  readonly comment: string | undefined;
  /** Of the rule's first counter. */
  readonly counter?: { readonly packets: bigint; readonly bytes: bigint };
}

/** A set, or with `verdicts` a map to chains. Its type is what nft(8) prints, e.g. `ipv4_addr . inet_proto . inet_service`. */
export interface NftSet {
  readonly set: string;
  readonly key: NftSetKey;
  /** Its elements are ranges. */
  readonly interval: boolean;
  readonly verdicts: boolean;
}

/** `other`: only as read, a set of a type or with properties that ours never have; one to be added is refused by throwing. */
export type NftSetKey =
  | "ipv4_addr"
  | "ipv6_addr"
  | "ipv4_addr . inet_proto . inet_service"
  | "ipv6_addr . inet_proto . inet_service"
  | "inet_service"
  | "ifname"
  | "other";

/**
 * The bytes of a key, in network order, each part padded to 4 bytes (an interface name: 16 with its zeros). Of an interval set
 * `last` is the last address of the range, which is `key` itself for one address. Of a map: the chain that it goes to.
 */
export interface NftElement {
  readonly key: Uint8Array;
  readonly last?: Uint8Array;
  readonly goto?: string;
}

/** One expression of a rule: a kind of the kernel's (`meta`, `cmp`, `payload` …) and its attributes, encoded. */
export interface NftExpression {
  readonly name: string;
  readonly data: Uint8Array;
  /** Of a `lookup`: the ranges that it looks in, as a set of this rule alone, made and gone with it. */
  readonly anonymous?: { readonly key: NftSetKey; readonly elements: readonly NftElement[] };
}

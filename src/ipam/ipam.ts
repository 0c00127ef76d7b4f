import type { Labels } from "../api/objects.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip, IpVersion } from "../net/ip.ts";

/** Hands out addresses to one node's pods. Everything it says it has given is confirmed by the store. */
export interface Ipam {
  /**
   * Gives `v4` IPv4 and `v6` IPv6 addresses to `handle`; asking again for a handle that has them gives the same.
   * Throws an `IpamError`, with nothing kept, when it cannot give all.
   */
  assign(request: AssignRequest, signal?: AbortSignal): Promise<readonly AssignedAddress[]>;
  /**
   * Frees everything that `handle` holds; nothing held is no error. `why` goes into the block's journal, for people.
   * Answers the addresses freed, and such of them as somebody else may have freed while a reply was lost.
   */
  release(handle: string, why: string): Promise<readonly Ip[]>;
}

/** Which addresses are wanted, for whom. */
export interface AssignRequest {
  readonly handle: string;
  /** So many of each family, whichever is free. */
  readonly v4: number;
  readonly v6: number;
  /** Who holds it: `pod`, `namespace`, `node`, `timestamp` … kept beside the allocation. */
  readonly attributes: Readonly<Record<string, string>>;
  /**
   * These very addresses, beside `v4` and `v6`. Each must lie in a pool that gives addresses; selectors, reservations and
   * `assignmentMode` do not count.
   */
  readonly addresses?: readonly Ip[];
  /**
   * Addresses that the holder cannot use, and gets only by name; of every block some must be left. It must not throw.
   */
  readonly isUnfit?: AddressTest;
  /** By family, names or CIDRs of the only pools to use; the node's own choice for a family that is absent. */
  readonly pools?: Readonly<Partial<Record<IpVersion, readonly string[]>>>;
  /** The most blocks that the node may have in these pools, where IPAMConfiguration allows more. */
  readonly maxBlocks?: number;
  /** The labels of the pod's namespace, for a pool's `namespaceSelector`. */
  readonly namespaceLabels?: Labels;
  /**
   * The caller writes down who has the addresses, for whoever comes after it on this node, before anybody uses them: then they
   * may be such as the node holds already, and who has them is told to the store later.
   */
  readonly mayBeNamedLater?: boolean;
  /**
   * Told, as they go out to the store, which addresses it is to be if nobody else is first: once for each try. They are not
   * given yet. It must not throw.
   */
  readonly onChosen?: (addresses: readonly AssignedAddress[]) => void;
}

/** A pod that asks for nothing in particular. */
export const anybody: AssignRequest = { handle: "", v4: 1, v6: 1, attributes: {} };

/** Asks something of an address and the block that it is of. */
export type AddressTest = (ip: Ip, block: Cidr) => boolean;

/** An address that a handle holds, and the block it is of. */
export interface AssignedAddress {
  readonly ip: Ip;
  readonly block: Cidr;
}

/** Why no address could be given; the message says what, where and what to do. */
export class IpamError extends Error {
  /** `outside`: in no pool that gives addresses. `taken`: another handle holds it. */
  readonly reason: "no-pool" | "exhausted" | "contended" | "outside" | "taken";
  constructor(reason: IpamError["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "IpamError";
    this.reason = reason;
  }
}

import type { IpVersion } from "../../net/ip.ts";

/**
 * Told what goes to the kernel, as it goes. Every call returns at once, throws nothing, and is made once for many things and never
 * once for each. `observedHost`, `observedSets`, `observedNetlink` and `observedNftables` call it for all but `waitedForLock`,
 * which belongs to whoever knows that it waits.
 */
export interface DataplaneObserver {
  /** The kernel has acknowledged so much. A part that is absent is none. */
  readonly wrote: (written: Partial<Written>) => void;
  /** A program was run, or something was asked of netlink, and has ended. */
  readonly called: (call: KernelCall) => void;
  /** iptables of the legacy variant had to wait for another process's lock, this long. Not called when it was free. */
  readonly waitedForLock: (version: IpVersion, ms: number) => void;
}

/**
 * How much of each thing was written, and taken away. Where a whole chain or set is made anew, what it had before is not counted
 * as removed.
 */
export interface Written {
  readonly chains: number;
  readonly chainsRemoved: number;
  readonly rules: number;
  readonly rulesRemoved: number;
  readonly sets: number;
  readonly setsRemoved: number;
  readonly members: number;
  readonly membersRemoved: number;
  readonly routes: number;
  readonly routesRemoved: number;
}

/** One call, at its end. */
export interface KernelCall {
  /** `iptables-restore` and `iptables-save` of either family and variant; `set-netlink`: members and ends of sets. */
  readonly what: "iptables-restore" | "iptables-save" | "ipset" | "set-netlink" | "nft" | "other";
  readonly version?: IpVersion;
  readonly ms: number;
  readonly failed: boolean;
  /** Lines, or operations, that it was given, by table; under "" where there are no tables. */
  readonly lines: ReadonlyMap<string, number>;
  /** A program was started for it. */
  readonly started: boolean;
}

import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/** What the node's BIRD does at one moment. */
export interface ObservedBgp {
  readonly sessions: readonly ObservedSession[];
}

/** One session as it stands. */
export interface ObservedSession {
  readonly name: string;
  readonly neighbor: Ip;
  /** RFC 4271 §8.2.2; `Down` when BIRD does not run the protocol at all (disabled). */
  readonly state: "Idle" | "Connect" | "Active" | "OpenSent" | "OpenConfirm" | "Established" | "Down";
  /** Since when, `YYYY-MM-DD hh:mm:ss` in the node's local time. */
  readonly since: string;
  /** As BIRD words it, such as `Socket: Connection refused` or `Received: Bad peer AS`. */
  readonly lastError: string | undefined;
  /** The neighbour has said that it keeps our routes while we restart (RFC 4724). */
  readonly keepsOurRoutes: boolean;
  /** The neighbour restarts, and its routes are kept meanwhile. */
  readonly neighborRestarts: boolean;
  /** Routes taken from it and given to it. */
  readonly imported: number;
  readonly exported: number;
  /** The networks that arrive by it and were accepted; undefined when they were not asked for. */
  readonly prefixes: ReadonlySet<Cidr> | undefined;
}

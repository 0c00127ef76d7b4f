import type { Ip } from "../../../net/ip.ts";

/** A connection's first packet as policy sees it: a Service's address exchanged (DNAT), its sender's not yet (SNAT). */
export interface TrackedConnection {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA number. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

import type { BgpSessionSide, BgpSide } from "../../api/bgp-probe.ts";
import type { Ip } from "../../net/ip.ts";
import { bgpPort } from "../plan/bgp-settings.ts";

/** One session as both ends see it. */
export interface Evidence {
  /** The end that was asked about. */
  readonly here: End;
  readonly there: End;
}

/** One end. All but its name may be missing. */
export interface End {
  /** Of the node, or the address of what is no node of ours. */
  readonly name: string;
  readonly isNode: boolean;
  /** By which the other end speaks to it. */
  readonly address: Ip | undefined;
  /** What its agent says. */
  readonly side: BgpSide | undefined;
  /** Why its agent says nothing. */
  readonly silence: string | undefined;
  /** Of `side`: the session with the other end. */
  readonly session: BgpSessionSide | undefined;
}

/** What there is to know of a session. */
export interface Cause {
  readonly kind: CauseKind;
  /** What, where, why, and what to do. */
  readonly sentence: string;
  /** What it was concluded from, one fact each. */
  readonly details: readonly string[];
}

/** What can be the matter. `up`: nothing. */
export type CauseKind =
  | "up"
  | "restarting"
  | "starting"
  | "agent"
  | "daemon"
  | "no-address"
  | "not-wanted"
  | "rejected"
  | "kept"
  | "held"
  | "one-sided"
  | "as"
  | "router-id"
  | "password"
  | "ttl"
  | "port-in-use"
  | "refused"
  | "no-route"
  | "own-rules"
  | "absent"
  | "one-way"
  | "filtered"
  | "address"
  | "duplicate-address"
  | "mtu"
  | "collision"
  | "max-prefix"
  | "told"
  | "unknown";

/** A rule's answer: the reason, as the middle of a sentence, and what to do about it. */
export interface Finding {
  readonly kind: CauseKind;
  readonly why: string;
  readonly remedy: string;
}

/** The evidence from one of its ends. */
export interface View {
  readonly near: End;
  readonly far: End;
}

/** A rule looks from one end; it is asked for both. */
export type Rule = (view: View) => Finding | undefined;

/** Whether BIRD at this end has the session established. */
export function isEstablished({ session }: End): boolean {
  return session?.observed?.state === "Established";
}

/** The session's TCP port at the far end, as the near end knows it. */
export function portOf(view: View): number {
  return view.near.session?.wanted?.port ?? bgpPort;
}

/** `ADDRESS:PORT`, or `[ADDRESS]:PORT`. */
export function withPort(ip: string | undefined, port: number): string {
  return ip?.includes(":") ? `[${ip}]:${port}` : `${ip ?? "?"}:${port}`;
}

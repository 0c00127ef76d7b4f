import type { NodeName } from "../../api/names.ts";
import type { Ip } from "../../net/ip.ts";
import { bgpPort } from "../plan/bgp-settings.ts";
import type { BirdConfig, Session } from "../plan/bird-config.ts";

/** One node's side of a session, as it is configured. */
export interface ConfiguredEnd {
  readonly node: NodeName;
  readonly config: BirdConfig;
  /** The node's own address of the family. */
  readonly address: Ip;
  readonly session: Session;
}

/** Why the session between two nodes does not come up, as `own` sees it; undefined when it does. */
export function sessionFault(own: ConfiguredEnd, other: ConfiguredEnd): string | undefined {
  const [mine, theirs] = [own.session, other.session];
  if (mine.held !== undefined) return mine.held;
  if (theirs.held !== undefined) return `${other.node} holds it down: ${theirs.held}`;
  return (
    addressFault(own, other) ??
    asFault(own, other) ??
    connectionFault(own, other) ??
    (isInternal(own) && own.config.routerId === other.config.routerId
      ? `both have the router ID ${own.config.routerId}`
      : undefined)
  );
}

/** The AS that this side shows its neighbour. */
export function shownAs({ config, session }: ConfiguredEnd): number {
  return session.localAs ?? config.localAs;
}

/** The address that this side's packets come from, and that the neighbour must know it by. */
export function sourceOf({ address, session }: ConfiguredEnd): Ip {
  return session.source ?? address;
}

// --- internal ---

function isInternal(end: ConfiguredEnd): boolean {
  return shownAs(end) === end.session.neighborAs;
}

function addressFault(own: ConfiguredEnd, other: ConfiguredEnd): string | undefined {
  const [mine, theirs] = [sourceOf(own), sourceOf(other)];
  if (theirs !== own.session.neighbor) return `${other.node} speaks from ${theirs}`;
  return other.session.neighbor === mine ? undefined : `${other.node} expects ${other.session.neighbor}, not ${mine}`;
}

function asFault(own: ConfiguredEnd, other: ConfiguredEnd): string | undefined {
  if (own.session.neighborAs !== shownAs(other)) {
    return `${other.node} is AS ${shownAs(other)}, and AS ${own.session.neighborAs} is expected`;
  }
  if (other.session.neighborAs === shownAs(own)) return undefined;
  return `${other.node} expects AS ${other.session.neighborAs}, and this is AS ${shownAs(own)}`;
}

function connectionFault(own: ConfiguredEnd, other: ConfiguredEnd): string | undefined {
  const [mine, theirs] = [own.session, other.session];
  if (mine.password !== theirs.password) {
    if (mine.password === undefined) return `${other.node} wants a password`;
    return theirs.password === undefined ? `${other.node} has no password` : `${other.node} has another password`;
  }
  // With TTL security one sends 255 and takes nothing that is below; without, the kernel's 64.
  if ((mine.ttlSecurityHops === undefined) !== (theirs.ttlSecurityHops === undefined)) {
    const what = theirs.ttlSecurityHops === undefined ? "has no TTL security" : "wants TTL security";
    return `${other.node} ${what}`;
  }
  if (mine.passive && theirs.passive) return `${other.node} waits to be called, too`;
  if (connects(own, other) || connects(other, own)) return undefined;
  if (!mine.passive) return `${other.node} listens on port ${other.config.listenPort}, not ${mine.port ?? bgpPort}`;
  return `${other.node} calls port ${theirs.port ?? bgpPort}, not ${own.config.listenPort}`;
}

function connects({ session }: ConfiguredEnd, { config }: ConfiguredEnd): boolean {
  return !session.passive && (session.port ?? bgpPort) === config.listenPort;
}

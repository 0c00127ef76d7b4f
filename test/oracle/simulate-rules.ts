/** Walks a packet through rendered rules as the kernel would: tables, hooks, jumps, marks, sets and the routes of the plan. */
import type { DesiredState } from "../../src/felix/render/desired-state.ts";
import { hostCidr } from "../../src/net/cidr.ts";
import { type Ip, versionOf } from "../../src/net/ip.ts";
import { type Hook, type Journey, startOf, walkHook } from "./walk-rules.ts";

/** A packet as its destination gets it. */
export interface Packet {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmpType?: number;
  /** Of ICMP and ICMPv6; 0 when absent. */
  readonly icmpCode?: number;
  readonly state: "NEW" | "ESTABLISHED" | "RELATED" | "INVALID";
  /** What it bears when it arrives; nothing when absent. */
  readonly mark?: number;
  /** Where its sender sent it, if that is exchanged (DNAT) for `destination` on this node. */
  readonly addressedTo?: { readonly ip: Ip; readonly port?: number };
  /** The interface towards everything that is not behind a local endpoint: `eth0` when absent. */
  readonly uplink?: string;
}

/** What became of a packet. `untouched`: no rule of ours decided, so the chains of others and their policies do. */
export interface Outcome {
  readonly verdict: "accept" | "drop" | "reject" | "untouched";
  readonly masqueraded: boolean;
  /** The addresses that rules of ours gave it, and its code point; absent: as it was. */
  readonly source?: Ip;
  readonly destination?: Ip;
  readonly dscp?: number;
  /** Raw has taken it out of connection tracking, so that its destination stays what it was addressed to. */
  readonly untracked: boolean;
  /** What the lines that it leaves in the kernel's log begin with. */
  readonly logged: readonly string[];
}

/** A packet that comes in on `inInterface` and goes on by route: to a local endpoint, or out of the node's uplink. */
export function forwarded(state: DesiredState, packet: Packet, inInterface: string): Outcome {
  return travel({ state, packet, inInterface }, [
    "raw/PREROUTING",
    "mangle/PREROUTING",
    "exchange",
    "nat/PREROUTING",
    "filter/FORWARD",
    "mangle/POSTROUTING",
    "nat/POSTROUTING",
  ]);
}

/** A packet that comes in on `inInterface` for the node itself. */
export function toHost(state: DesiredState, packet: Packet, inInterface: string): Outcome {
  return travel({ state, packet, inInterface }, [
    "raw/PREROUTING",
    "mangle/PREROUTING",
    "exchange",
    "nat/PREROUTING",
    "filter/INPUT",
  ]);
}

/**
 * A packet that the node itself sends. Where its destination is exchanged, filter still sees the interface towards the old
 * one; only afterwards is it routed anew.
 */
export function fromHost(state: DesiredState, packet: Packet): Outcome {
  return travel({ state, packet, inInterface: undefined }, [
    "raw/OUTPUT",
    "exchange",
    "nat/OUTPUT",
    "filter/OUTPUT",
    "mangle/POSTROUTING",
    "nat/POSTROUTING",
  ]);
}

// --- internal ---

/** The interface of everything that is not a local endpoint, unless a packet says otherwise. */
const uplink = "eth0";

interface Travel {
  readonly state: DesiredState;
  readonly packet: Packet;
  readonly inInterface: string | undefined;
}

/** `exchange`: where connection tracking gives the packet the destination that it is to have. */
function travel({ state, packet, inInterface }: Travel, hooks: readonly (Hook | "exchange")[]): Outcome {
  const journey = startOf(state, packet);
  let verdict: Outcome["verdict"] = "untouched";
  let masqueraded = false;
  const outcome = (): Outcome => {
    const { untracked, logged, source, destination, dscp } = journey;
    const given = {
      ...(source && { source }),
      ...(destination && { destination }),
      ...(dscp !== undefined && { dscp }),
    };
    return { verdict, masqueraded, untracked, logged, ...given };
  };
  for (const hook of hooks) {
    // What has got its addresses, or can get none, does not come here.
    const isNat = hook.startsWith("nat/");
    const isKnown = packet.state !== "NEW" || journey.untracked;
    if (isNat && (isKnown || (!hook.endsWith("POSTROUTING") && journey.exchanged))) continue;
    if (hook === "exchange") {
      if (packet.addressedTo !== undefined && journey.untracked) return outcome();
      journey.exchanged = packet.addressedTo !== undefined;
      continue;
    }
    const end = walkHook(hook, journey, interfacesAt(hook, { state, packet, inInterface }, journey.destination));
    if (end === "drop" || end === "reject") {
      verdict = end;
      return outcome();
    }
    if (end === "accept" && hook.startsWith("filter/")) verdict = "accept";
    if (end === "masquerade") masqueraded = true;
  }
  return outcome();
}

/** `given` is the destination that a rule of ours has given the packet; what the node sends is routed anew only behind filter. */
function interfacesAt(
  hook: Hook,
  { state, packet, inInterface }: Travel,
  given: Ip | undefined,
): Journey["interfaces"] {
  const isIn = hook.endsWith("/PREROUTING") || hook.endsWith("/INPUT") || hook.endsWith("/FORWARD");
  const isOut = hook.endsWith("/OUTPUT") || hook.endsWith("/FORWARD") || hook.endsWith("/POSTROUTING");
  const final = given ?? packet.destination;
  const routedTo = hook.endsWith("/OUTPUT") ? (packet.addressedTo?.ip ?? packet.destination) : final;
  const routeOf = (ip: Ip) => state.routes.get(hostCidr(ip))?.hostInterface ?? packet.uplink ?? uplink;
  return {
    in: isIn ? inInterface : undefined,
    out: isOut ? routeOf(routedTo) : undefined,
    backToSource: routeOf(packet.source),
    version: versionOf(packet.source),
  };
}

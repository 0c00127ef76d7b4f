/** Rules about the way between the ends: addresses, routes, packets. They hold while packets do not get through. */
import type { SessionProbe } from "../../api/bgp-probe.ts";
import { bgpPort } from "../plan/bgp-settings.ts";
import { type End, type Finding, portOf, type Rule, type View, withPort } from "./evidence.ts";

/** The address that the session speaks from must be the node's. */
export const addressIsNotThere: Rule = ({ near }) => {
  const probe = near.session?.probe;
  if (probe === undefined || (probe.syn.outcome !== "no source" && probe.holder !== undefined)) return undefined;
  return {
    kind: "address",
    why: `no interface of ${near.name} has its BGP address ${probe.source ?? near.address ?? "at all"}`,
    remedy: `correct the node's address: its InternalIP, the annotation projectcalico.org/IPv4Address, or how it is detected`,
  };
};

/** The interface that has it must be up. */
export const interfaceIsDown: Rule = ({ near }) => {
  const holder = near.session?.probe?.holder;
  if (holder === undefined || holder.up) return undefined;
  return {
    kind: "address",
    why: `interface ${holder.interface} of ${near.name}, which has its BGP address, is down`,
    remedy: `bring ${holder.interface} up, or have another interface chosen`,
  };
};

/** The kernel cannot or must not send there. */
export const noRoute: Rule = ({ near, far }) => {
  const route = near.session?.probe?.route;
  if (route === undefined || route.kind === "unicast" || route.kind === "local") return undefined;
  const what = route.kind === "none" ? "no route" : `only a route of type ${route.kind}`;
  return {
    kind: "no-route",
    why: `${near.name} has ${what} to ${far.address ?? far.name}`,
    remedy: `give ${near.name} a route there (ip route get ${far.address ?? far.name})`,
  };
};

/** A rule of the node's own firewall. */
export const ownRulesForbid: Rule = (view) => {
  const { near, far } = view;
  if (near.session?.probe?.syn.outcome !== "forbidden") return undefined;
  return {
    kind: "own-rules",
    why: `${near.name}'s own firewall drops what it sends to ${withPort(far.address, portOf(view))}`,
    remedy: `allow TCP port ${portOf(view)} to ${far.address ?? far.name} in ${near.name}'s OUTPUT rules`,
  };
};

/** Another machine answers ARP for the far end's address: what the near end has learned is on no interface of the far end. */
export const addressIsHeldTwice: Rule = ({ near, far }) => {
  const [nextHop, holder] = [near.session?.probe?.nextHop, far.session?.probe?.holder];
  if (nextHop?.mac === undefined || nextHop.ip !== far.address || holder === undefined || holder.mac === "")
    return undefined;
  const { macs } = far.session?.probe ?? { macs: [] };
  if (macs.some((mac) => mac.toLowerCase() === nextHop.mac?.toLowerCase())) return undefined;
  return {
    kind: "duplicate-address",
    why: `another machine has ${far.address} too: ${near.name} finds it at ${nextHop.mac}, and ${far.name} has it on ${holder.interface} with ${holder.mac}`,
    remedy: `find who has ${nextHop.mac}, and give each machine an address of its own`,
  };
};

/** The node would speak from an address of an interface that does not lead to the neighbour. */
export const wrongInterface: Rule = ({ near, far }) => {
  const probe = near.session?.probe;
  if (probe?.holder === undefined || isThrough(near) || isThrough(far)) return undefined;
  const { holder, route, source } = probe;
  if (holder.interface === "lo" || route.interface === undefined || route.interface === holder.interface)
    return undefined;
  if (route.kind !== "unicast") return undefined;
  return {
    kind: "address",
    why: `${near.name} speaks from ${source} of interface ${holder.interface}, but reaches ${far.name} by ${route.interface}, and nothing comes back`,
    remedy: `have ${near.name}'s address taken from ${route.interface} (its annotation projectcalico.org/IPv4Address, or how it is detected)`,
  };
};

/** Another program has taken the port before BIRD could. */
export const portIsTaken: Rule = (view) => {
  const { near } = view;
  const listeners = near.session?.probe?.listeners ?? [];
  const [other] = listeners;
  if (other === undefined || listeners.some(({ program }) => program === "bird")) return undefined;
  return {
    kind: "port-in-use",
    why: `another program than BIRD listens on port ${near.side?.listenPort ?? bgpPort} of ${near.name}: ${other.program} (pid ${other.pid})`,
    remedy: `stop ${other.program}, then restart BIRD on ${near.name}, or set another listenPort`,
  };
};

/** The address is on the link, and nobody answers for it; or nobody answers behind the gateway. */
export const nobodyIsThere: Rule = ({ near, far }) => {
  const probe = near.session?.probe;
  if (probe === undefined || isThrough(near) || far.side !== undefined || probe.heard.packets > 0) return undefined;
  const { route } = probe;
  const isDeaf = isDeafTo(near);
  if (isDeaf && route.gateway !== undefined) {
    return {
      kind: "no-route",
      why: `gateway ${route.gateway}, by which ${near.name} reaches ${far.address ?? far.name}, does not answer on ${route.interface}`,
      remedy: "see why the gateway is away, or correct the route",
    };
  }
  const answersNothing = probe.echo !== "answered" && probe.syn.outcome !== "refused";
  if (!isDeaf && (!answersNothing || probe.syn.code === "ECONNREFUSED")) return undefined;
  const how = isDeaf
    ? `its address ${far.address} is not there on ${route.interface}`
    : "it answers neither TCP nor ICMP";
  return {
    kind: "absent",
    why: `${far.name} is away: asked from ${near.name}, ${how}${far.isNode ? ", and its agent does not answer" : ""}`,
    remedy: `see whether ${far.name} runs and is connected`,
  };
};

/** A password makes the kernel drop what bears another signature, with no answer (RFC 2385). */
export const passwordsDiffer: Rule = ({ near, far }) => {
  const probe = near.session?.probe;
  if (probe === undefined || isThrough(near)) return undefined;
  const isKeyed = near.session?.wanted?.keyed === true;
  const { md5 } = probe.heard;
  const finding = (why: string): Finding => ({ kind: "password", why, remedy: "let both ends have the same password" });
  if (isKeyed && probe.plainSyn?.outcome === "answered") {
    return finding(`${near.name} has a password for the session, and ${far.name} answers only without one`);
  }
  if (isKeyed && md5.wrong > 0 && md5.right === 0)
    return finding(`${far.name} signs with another password than ${near.name}`);
  if (!isKeyed && md5.wrong > 0)
    return finding(`${far.name} signs with a password, and ${near.name} has none for the session`);
  return undefined;
};

/** Nobody listens, or a firewall says so. */
export const isRefused: Rule = (view) => {
  const { near, far } = view;
  const syn = near.session?.probe?.syn;
  const at = withPort(far.address, portOf(view));
  if (syn?.outcome === "unreachable") {
    const isRule = syn.code === "ECONNREFUSED" || syn.code === "EACCES";
    const who = isRule ? "a firewall on the way" : "a router on the way";
    const why = `${who} answers ${near.name} that ${at} cannot be reached (${syn.code})`;
    return isRule
      ? { kind: "filtered", why, remedy: `allow TCP port ${portOf(view)} between them` }
      : {
          kind: "no-route",
          why,
          remedy: `see that the routers know the way to ${far.address ?? far.name}, and that it is there`,
        };
  }
  if (syn?.outcome !== "refused") return undefined;
  if (far.side !== undefined && far.side.listenPort !== portOf(view)) {
    return {
      kind: "refused",
      why: `${near.name} looks for ${far.name} at port ${portOf(view)}, and it listens on ${far.side.listenPort}`,
      remedy: "let the BGPPeer's peerIP name the port, or listenPort be the same everywhere",
    };
  }
  return {
    kind: "refused",
    why: `${far.name} is there, but nothing listens on ${at}`,
    remedy: far.isNode
      ? `look at BIRD's log on ${far.name}`
      : `see whether BGP runs on ${far.name} and takes ${near.name} for a neighbour`,
  };
};

/** Packets of the session get lost on the way in one direction, or in both. */
export const packetsAreDropped: Rule = (view) => {
  const { near, far } = view;
  const probe = near.session?.probe;
  if (probe?.syn.outcome !== "silent") return undefined;
  const theirs = far.session?.probe;
  const port = portOf(view);
  const lost = (from: End, to: End): Finding => ({
    kind: "one-way",
    why: `what ${from.name} sends to ${to.name} on TCP port ${port} gets lost on the way, while the other direction works`,
    remedy: `look for a rule that drops it: ${to.name}'s INPUT, ${from.name}'s OUTPUT, a security group or an access list between them`,
  });
  const arrives = probe.heard.packets > 0;
  if (theirs === undefined) return arrives ? lost(near, far) : filtered(view, probe);
  const reaches = theirs.heard.packets > 0;
  if (arrives !== reaches) return arrives ? lost(near, far) : lost(far, near);
  const why = arrives
    ? `opening packets to TCP port ${port} arrive at both ends, and the answers do not`
    : `no packet on TCP port ${port} arrives in either direction${probe.echo === "answered" ? ", although ICMP gets through" : ""}`;
  return { kind: "filtered", why, remedy: `allow TCP port ${port} in both directions, to it and from it` };
};

/** Small packets get through, big ones do not, and no router says why. */
export const bigPacketsGetLost: Rule = ({ near, far }) => {
  const big = near.session?.probe?.bigSyn;
  if (big?.outcome !== "silent") return undefined;
  const interfaceName = near.session?.probe?.route.interface ?? "its interface";
  return {
    kind: "mtu",
    why: `packets of ${big.bytes} bytes from ${near.name} do not arrive at ${far.name}, small ones do, and no router says that they are too big`,
    remedy: `set the MTU of ${interfaceName} to what the way carries, or let ICMP "fragmentation needed" through`,
  };
};

/** TTL security drops what has come too far, or what was not sent with 255. */
export const ttlIsTooSmall: Rule = ({ near, far }) => {
  const [wanted, probe] = [near.session?.wanted, near.session?.probe];
  if (probe === undefined) return undefined;
  const hops = wanted?.ttlSecurityHops;
  const { ttl } = probe.heard;
  if (hops === undefined) return undefined;
  const distance = ttl ?? probe.syn.ttl;
  if (distance === undefined || distance >= 256 - hops) {
    if (probe.dropped.minTtl === 0) return undefined;
    const why = `${near.name} drops packets whose TTL is less than TTL security of ${hops} hops allows`;
    return { kind: "ttl", why, remedy: "set ttlSecurity to the hops between them, at both ends" };
  }
  const why = `packets of ${far.name} arrive at ${near.name} with TTL ${distance}, and TTL security of ${hops} hops takes at least ${256 - hops}`;
  const remedy =
    distance > 255 - farthest
      ? `set ttlSecurity to ${256 - distance}, which is the hops between them`
      : `switch TTL security on at ${far.name} as well, or off here`;
  return { kind: "ttl", why, remedy };
};

/** A far end that is no node of ours sends as TTL security asks, so it may ask the same of us. */
export const farEndMayCheckTtl: Rule = ({ near, far }) => {
  const ttl = near.session?.probe?.heard.ttl;
  if (far.side !== undefined || ttl === undefined || ttl <= 255 - farthest) return undefined;
  if (near.session?.wanted?.ttlSecurityHops !== undefined) return undefined;
  return {
    kind: "ttl",
    why: `${far.name} sends with TTL ${ttl}, as TTL security asks, and ${near.name} does not`,
    remedy: `set ttlSecurity in the BGPPeer to the hops between them, ${256 - ttl}`,
  };
};

/** Whether nobody answers ARP or neighbour discovery for the far end, or for the gateway to it. */
export function isDeafTo({ session }: End): boolean {
  return ["FAILED", "INCOMPLETE"].includes(session?.probe?.nextHop?.state ?? "");
}

// --- internal ---

/** Hops beyond which a TTL was not 255 to begin with. */
const farthest = 30;

function isThrough({ session }: End): boolean {
  return session?.probe?.syn.outcome === "answered";
}

function filtered(view: View, probe: SessionProbe): Finding {
  const { near, far } = view;
  const port = portOf(view);
  const password = near.session?.wanted?.keyed === true ? `, or ${far.name} has another password` : "";
  const why =
    probe.echo === "answered"
      ? `${far.name} is there (it answers ICMP), and does not answer ${near.name} on TCP port ${port}: a rule drops it${password}`
      : `${far.name} does not answer ${near.name} on TCP port ${port}${password}`;
  const remedy = `see that ${far.name} takes ${near.name} (${near.session?.probe?.source ?? near.address ?? ""}) for a neighbour, and that no rule drops TCP port ${port}`;
  return { kind: password !== "" && probe.echo === "answered" ? "password" : "filtered", why, remedy };
}

/** Rules about what is asked for: no packet is needed to tell. */
import type { End, Rule } from "./evidence.ts";

/** BIRD itself is away: nothing else counts while it is. */
export const daemonIsAway: Rule = ({ near, far }) => {
  if (near.side?.daemon !== "not running") return undefined;
  const kept = far.session?.observed?.neighborRestarts ? `; ${far.name} keeps its routes meanwhile` : "";
  return {
    kind: "daemon",
    why: `BIRD does not run on ${near.name}${kept}`,
    remedy: `look at the bird container's log on ${near.name}, and start it`,
  };
};

/** It runs and says nothing. */
export const daemonIsMute: Rule = ({ near }) => {
  if (near.side?.daemon !== "unknown") return undefined;
  return {
    kind: "daemon",
    why: `BIRD on ${near.name} does not answer its agent (${near.side.daemonText ?? "no reason known"})`,
    remedy: `look at the bird container's log on ${near.name}, and restart it if it hangs`,
  };
};

/** A Node without address has no configuration at all. */
export const nodeHasNoAddress: Rule = ({ near }) => {
  if (near.side === undefined || near.side.routerId !== undefined) return undefined;
  return {
    kind: "no-address",
    why: `the Node object of ${near.name} has no address that BGP could speak from`,
    remedy: "give it an InternalIP or the annotation projectcalico.org/IPv4Address",
  };
};

/** An object was set aside that would have given this session. */
export const objectIsRejected: Rule = ({ near, far }) => {
  if (near.session?.wanted !== undefined) return undefined;
  const rejected = near.side?.rejected.find((one) => concerns(one, far));
  if (rejected === undefined) return undefined;
  const { kind, name, reason } = rejected;
  return {
    kind: "rejected",
    why: `${kind} ${name} is not used on ${near.name}: ${reason}`,
    remedy: `correct ${kind} ${name}`,
  };
};

/** It runs, although the objects do not ask for it any more. */
export const sessionIsKept: Rule = ({ near, far }) => {
  const { session } = near;
  if (session === undefined || !session.kept || session.observed === undefined) return undefined;
  return {
    kind: "kept",
    why: `${near.name} keeps session ${session.observed.name} (${session.observed.state}), which is not wanted any more, until all that it carries arrives by others`,
    remedy: `nothing needs to be done; if it does not go, see which sessions of ${near.name} and ${far.name} are not up`,
  };
};

/** Neither end is asked to peer. */
export const nobodyWantsIt: Rule = ({ near, far }) => {
  if (near.side === undefined || near.session?.wanted !== undefined || far.session?.wanted !== undefined)
    return undefined;
  const mesh = near.side.isMeshEnabled
    ? `no BGPPeer of ${near.name} names it`
    : "the node-to-node mesh is switched off (BGPConfiguration default, nodeToNodeMeshEnabled: false), and no BGPPeer chooses both";
  return {
    kind: "not-wanted",
    why: `no session between them is asked for: ${mesh}`,
    remedy: "if there should be one, make a BGPPeer",
  };
};

/** Refused on purpose, for want of a password for instance. */
export const sessionIsHeld: Rule = ({ near }) => {
  const wanted = near.session?.wanted;
  if (wanted?.held === undefined) return undefined;
  return {
    kind: "held",
    why: `${near.name} holds it down: ${wanted.held}`,
    remedy: "it comes up by itself once that is mended",
  };
};

/** One end waits for a neighbour that does not know it. */
export const onlyOneEndWantsIt: Rule = ({ near, far }) => {
  if (near.session?.wanted === undefined || far.side?.routerId === undefined) return undefined;
  if (far.session?.wanted !== undefined || far.session?.observed !== undefined) return undefined;
  return {
    kind: "one-sided",
    why: `only ${near.name} wants it (${near.session.wanted.name}); ${far.name} has no session with ${near.session.wanted.source ?? near.address ?? near.name}`,
    remedy: `let the BGPPeer choose both nodes, or make one for ${far.name} as well`,
  };
};

/** Each end must expect the AS that the other one shows. */
export const numbersDiffer: Rule = ({ near, far }) => {
  const [ours, theirs] = [near.session?.wanted, far.session?.wanted];
  if (ours === undefined || theirs === undefined || ours.neighborAs === theirs.localAs) return undefined;
  return {
    kind: "as",
    why: `${far.name} has AS ${theirs.localAs}, and ${near.name} expects ${ours.neighborAs} by session ${ours.name}`,
    remedy: `make the asNumber of the BGPPeer, or the annotation projectcalico.org/ASNumber of Node ${far.name}, say the same`,
  };
};

/** RFC 4271 section 6.2: in one AS an identifier belongs to one speaker. */
export const routerIdsAreTheSame: Rule = ({ near, far }) => {
  const id = near.side?.routerId;
  if (id === undefined || id !== far.side?.routerId) return undefined;
  return {
    kind: "router-id",
    why: `${near.name} and ${far.name} both have router ID ${id}`,
    remedy: "give each node an address of its own",
  };
};

/** A password at one end only. */
export const onlyOneEndHasPassword: Rule = ({ near, far }) => {
  const [ours, theirs] = [near.session?.wanted, far.session?.wanted];
  if (ours?.keyed !== true || theirs?.keyed !== false) return undefined;
  return {
    kind: "password",
    why: `${near.name} has a password for session ${ours.name}, and ${far.name} has none for ${theirs.name}`,
    remedy: "name the same Secret for both ends",
  };
};

/** TTL security at one end only: RFC 5082 needs the other to send 255. */
export const onlyOneEndChecksTtl: Rule = ({ near, far }) => {
  const [ours, theirs] = [near.session?.wanted, far.session?.wanted];
  if (ours?.ttlSecurityHops === undefined || theirs === undefined || theirs.ttlSecurityHops !== undefined)
    return undefined;
  return {
    kind: "ttl",
    why: `${near.name} takes only packets of at most ${ours.ttlSecurityHops} hops (TTL security), and ${far.name} does not send as that asks`,
    remedy: "set ttlSecurity for both ends, or for none",
  };
};

// --- internal ---

function concerns({ name, reason }: { readonly name: string; readonly reason: string }, far: End): boolean {
  if (far.isNode && name === far.name) return true;
  return (
    far.address !== undefined &&
    new RegExp(`(^|[^0-9a-f.:])${escaped(far.address)}($|[^0-9a-f.:]|[.:](\\s|$))`).test(reason)
  );
}

function escaped(text: string): string {
  return text.replaceAll(".", "\\.");
}

import type {
  BgpSessionSide,
  BgpSide,
  ConfiguredSession,
  ObservedSide,
  SessionProbe,
} from "../../../src/api/bgp-probe.ts";
import type { HistoryEntry } from "../../../src/api/bgp-query.ts";
import type { End, Evidence } from "../../../src/bgp/why/evidence.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { nodeName } from "./cluster.ts";

/** What is different at one end from a session that is up and well. */
export interface EndWords {
  readonly side?: Partial<BgpSide>;
  readonly session?: Partial<BgpSessionSide>;
  readonly wanted?: Partial<ConfiguredSession>;
  readonly observed?: Partial<ObservedSide>;
  readonly probe?: Partial<SessionProbe>;
  /** Texts of errors, a second apart, the last of them now. */
  readonly errors?: readonly string[];
}

/** The time at both ends. */
export const now = 1_800_000_000_000;

/** Two nodes with a session that is up, but for what is said of each. */
export function evidenceOf(here: EndWords = {}, there: EndWords = {}): Evidence {
  return {
    here: endOf({ node: "node-1", own: "172.18.1.2", other: "172.18.1.3", otherNode: "node-2" }, here),
    there: endOf({ node: "node-2", own: "172.18.1.3", other: "172.18.1.2", otherNode: "node-1" }, there),
  };
}

/** The same where nothing is established, at either end. */
export function downEvidence(here: EndWords = {}, there: EndWords = {}): Evidence {
  const down = (words: EndWords): EndWords => ({ ...words, observed: { state: "Active", ...words.observed } });
  return evidenceOf(down(here), down(there));
}

/** One end of it as its agent tells it. */
export function sideOf(end: End): BgpSide {
  if (end.side === undefined) throw new Error(`${end.name} says nothing`);
  return end.side;
}

/** A probe of which nothing came back. */
export const silentProbe = {
  syn: { outcome: "silent", bytes: 44 },
  bigSyn: undefined,
  heard: { packets: 0, md5: { none: 0, right: 0, wrong: 0 } },
} as const satisfies Partial<SessionProbe>;

/** Some packets that arrived meanwhile. */
export const heard = { packets: 5, md5: { none: 5, right: 0, wrong: 0 } } as const;

// --- internal ---

interface Names {
  readonly node: string;
  readonly own: string;
  readonly other: string;
  readonly otherNode: string;
}

function endOf(names: Names, words: EndWords): End {
  const { node, own, other, otherNode } = names;
  const name = `Mesh_${other.replaceAll(".", "_")}`;
  const wanted: ConfiguredSession = {
    ...{ name, kind: "mesh", neighborAs: 64512, localAs: 64512, source: parseIp(own), passive: false, keyed: false },
    ...words.wanted,
  };
  const observed: ObservedSide = {
    ...{ name, state: "Established", since: now - 300_000, neighborRestarts: false, imported: 2, exported: 1 },
    ...words.observed,
  };
  const session: BgpSessionSide = {
    ...{ neighbor: parseIp(other), peerNode: nodeName(otherNode), wanted, observed, kept: false },
    history: (words.errors ?? []).map((text, index, all) => errorOf(text, now - (all.length - 1 - index) * 1_000)),
    probe: { ...probeOf(names), ...words.probe },
    ...words.session,
  };
  const side: BgpSide = {
    ...{ node: nodeName(node), at: now, daemon: "running", routerId: own, localAs: 64512, listenPort: 179 },
    ...{ isMeshEnabled: true, addresses: [parseIp(own)], rejected: [], sessions: [session] },
    ...words.side,
  };
  return { name: node, isNode: true, address: parseIp(own), side, silence: undefined, session: side.sessions[0] };
}

function errorOf(text: string, at: number): HistoryEntry {
  return { at, kind: "error", text };
}

function probeOf({ own, other }: Names): SessionProbe {
  const mac = macOf(own);
  return {
    ...{ source: parseIp(own), holder: { interface: "eth0", up: true, mac }, macs: [mac] },
    route: { kind: "unicast", interface: "eth0", mtu: 1500 },
    nextHop: { ip: parseIp(other), state: "REACHABLE", mac: macOf(other) },
    listeners: [{ program: "bird", pid: 1 }],
    syn: { outcome: "answered", ttl: 255, mss: 1460, bytes: 44 },
    bigSyn: { outcome: "answered", ttl: 255, mss: 1460, bytes: 1500 },
    ...{ echo: "answered", heard, dropped: { md5NotFound: 0, md5Unexpected: 0, md5Failure: 0, minTtl: 0 } },
  };
}

function macOf(ip: string): string {
  return `02:00:00:00:00:0${ip.at(-1)}`;
}

import type { BirdConfig, ExportPolicy, FamilyConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { plainSession } from "../../../src/bgp/plan/bird-config.ts";
import { parseIp, versionOf } from "../../../src/net/ip.ts";

/** What a configuration says, in the few words that matter to a test. Everything else is as it is when nobody asked for anything. */
export interface BirdWords extends Omit<Partial<BirdConfig>, "families" | "routerId"> {
  /** The node's addresses, at most one of each family, with what is particular to the family. */
  readonly families: Readonly<Record<string, FamilyWords>>;
}

interface FamilyWords extends Omit<Partial<FamilyConfig>, "address" | "version" | "exports" | "sessions"> {
  readonly exports?: Partial<ExportPolicy>;
  /** Neighbour's address → what is particular to the session. */
  readonly sessions?: Readonly<Record<string, SessionWords>>;
}

export type SessionWords = Partial<Omit<Session, "neighbor">>;

const openExports: ExportPolicy = {
  hidden: [],
  blocks: [],
  hosts: [],
  services: [],
  pools: [],
  communities: [],
  isDraining: false,
};

/** The AS of the node, and of its neighbours, unless a test says otherwise. */
export const testAs = 64512;

export function birdConfig({ families, ...rest }: BirdWords): BirdConfig {
  const addresses = Object.keys(families);
  return {
    routerId: parseIp(addresses.find((address) => address.includes(".")) ?? "10.255.0.6"),
    localAs: testAs,
    logLevel: "info",
    listenPort: 179,
    bindsToNodeIp: false,
    ignoredInterfaces: ["cali*", "kube-ipvs*"],
    filters: [],
    rejected: [],
    ...rest,
    families: Object.entries(families).map(([address, words]) => familyOf(address, words)),
  };
}

// --- internal ---

function familyOf(address: string, { exports, sessions, ...rest }: FamilyWords): FamilyConfig {
  const own = parseIp(address);
  return {
    version: versionOf(own),
    address: own,
    blackholes: [],
    gateways: [],
    serviceRanges: [],
    normalRoutePriority: 1024,
    ...rest,
    exports: { ...openExports, ...exports },
    sessions: Object.entries(sessions ?? {}).map(([neighbor, words]) => sessionOf(neighbor, address, words)),
  };
}

function sessionOf(neighbor: string, own: string, words: SessionWords): Session {
  return {
    ...plainSession,
    name: `Global_${neighbor.replaceAll(/[.:]/g, "_")}`,
    kind: "global",
    neighbor: parseIp(neighbor),
    neighborAs: testAs,
    source: parseIp(own),
    ...words,
  };
}

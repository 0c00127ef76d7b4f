import type { BgpPeerSpec } from "../../api/bgp-peer.ts";

/** The values with which a field asks for nothing beyond what there is; an unset field never asks. */
const neutral = {
  peerSelector: [""],
  localWorkloadSelector: [""],
  localASNumber: [],
  nextHopMode: ["Auto"],
  keepOriginalNextHop: [false],
  password: [],
  maxRestartTime: [],
  keepaliveTime: [],
  numAllowedLocalASNumbers: [0],
  ttlSecurity: [0],
  reachableBy: [""],
  reversePeering: ["Auto", "Manual"],
} as const satisfies Partial<Record<keyof BgpPeerSpec, readonly unknown[]>>;

/**
 * The first field of a BGPPeer that asks for something we cannot do yet. Such a peer is left out whole: a session without
 * its password, filter or next hop would be open wider than its owner meant.
 */
export function unsupportedField(spec: BgpPeerSpec): string | undefined {
  if (spec.filters.length > 0) return "filters";
  for (const field of Object.keys(neutral) as (keyof typeof neutral)[]) {
    const allowed: readonly unknown[] = neutral[field];
    if (spec[field] !== undefined && !allowed.includes(spec[field])) return field;
  }
  return undefined;
}

import type { Random } from "../../../bench/policy/random.ts";
import type { FelixSettings } from "../../../src/felix/config/felix-settings.ts";
import { resolveSettings } from "../../../src/felix/config/resolve-settings.ts";
import type { RulesBackend } from "../../../src/felix/dataplane/event-parts.ts";

/** What is built in, but that the kernel is looked at every second, with this backend. */
export function plainSettings(backend: RulesBackend): FelixSettings {
  return {
    ...resolveSettings({ environment: {}, objects: {} }).settings,
    ...lookedAtEvery(1000),
    nftablesMode: backend === "nftables" ? "enabled" : "disabled",
    iptablesBackend: backend === "iptables-legacy" ? "legacy" : "nft",
  };
}

/** Others of the same backend: some of what rendering, routes, proofs and connections depend on. */
export function otherSettings(backend: RulesBackend, random: Random): FelixSettings {
  const allow = random.chance(50) ? "accept" : "return";
  const deny = random.chance(80) ? "drop" : "reject";
  return {
    ...plainSettings(backend),
    ...lookedAtEvery(1000 + random.below(4000)),
    ...{ iptablesFilterAllowAction: allow, nftablesFilterAllowAction: allow },
    ...{ iptablesFilterDenyAction: deny, nftablesFilterDenyAction: deny },
    defaultEndpointToHostAction: random.oneOf(["drop", "return", "accept"] as const),
    chainInsertMode: random.chance(80) ? "insert" : "append",
    disableConntrackInvalidCheck: random.chance(20),
    serviceLoopPrevention: random.oneOf(["drop", "reject", "disabled"] as const),
    natPortRange: random.chance(50) ? undefined : { first: 32_000, last: 33_000 + random.below(1000) },
    natOutgoingExclusions: random.oneOf(["pools", "pools-and-hosts"] as const),
    ipv6Support: random.chance(80),
    floatingIPs: random.chance(50),
    deviceRouteProtocol: random.chance(80) ? 3 : 80,
    ipv4NormalRoutePriority: random.chance(80) ? 1024 : 512,
    policyChangeConnections: random.oneOf(["keep", "report", "end"] as const),
    maxIpsetSize: random.chance(80) ? 1_048_576 : 524_288,
  };
}

// --- internal ---

function lookedAtEvery(ms: number) {
  return {
    ...{ iptablesRefreshIntervalMs: ms, nftablesRefreshIntervalMs: ms, ipsetsRefreshIntervalMs: ms },
    ...{ routeRefreshIntervalMs: ms, interfaceRefreshIntervalMs: ms },
  };
}

import { type IpVersion, versionOf } from "../../net/ip.ts";
import type { BgpInputs } from "./bgp-inputs.ts";
import type { BirdConfig, FamilyConfig } from "./bird-config.ts";
import { rejectedServices } from "./claimed-addresses.ts";
import { ownBlocks, planBlackholes, planExports } from "./export-policy.ts";
import { type NodeSessions, planSessions } from "./plan-sessions.ts";
import { routerIdOfName } from "./router-id.ts";
import { type PlannedServices, planServices } from "./services.ts";

/**
 * The BGP configuration of `node`: the sessions of the mesh and of BGPPeers (`planSessions`), its blocks announced whole.
 * Equal snapshots give equal values, whatever the order of their maps. What cannot be done is in `rejected`; the rest stands.
 * Undefined while the Node is unknown or has no address: keep what runs, as dropping every session would cut its pods off.
 *
 * Everything that a session offers is imported, as upstream: what a neighbour may announce is for BGPFilter to narrow.
 */
export function planBgp(inputs: BgpInputs): BirdConfig | undefined {
  const plan = planSessions(inputs);
  if (plan === undefined || (plan.nodes.own[4] ?? plan.nodes.own[6]) === undefined) return undefined;
  const { settings, nodes, filters, rejected } = plan;
  const services = planServices(inputs);
  return {
    routerId: inputs.routerId ?? nodes.own[4] ?? routerIdOfName(inputs.node),
    localAs: nodes.self.asNumber,
    logLevel: settings.logLevel,
    listenPort: settings.listenPort,
    bindsToNodeIp: settings.bindsToNodeIp,
    ignoredInterfaces: settings.ignoredInterfaces,
    filters,
    families: ([4, 6] as const).flatMap((version) => planFamily(inputs, version, plan, services[version])),
    rejected: [...rejected, ...rejectedServices(inputs.snapshot)],
  };
}

// --- internal ---

function planFamily(
  inputs: BgpInputs,
  version: IpVersion,
  { settings, nodes, sessions, gateways }: NodeSessions,
  services: PlannedServices,
): readonly FamilyConfig[] {
  const address = nodes.own[version];
  if (address === undefined) return [];
  return [
    {
      ...{ version, address },
      blackholes: planBlackholes(ownBlocks(inputs.snapshot, inputs.node, version)),
      gateways: gateways.filter(({ via }) => versionOf(via) === version),
      exports: planExports(inputs, version, services),
      serviceRanges: services.ranges,
      normalRoutePriority: settings.normalRoutePriority[version],
      sessions: sessions.filter(({ neighbor }) => versionOf(neighbor) === version),
    },
  ];
}

import type { FailsafePort, FelixSettings } from "../../felix/config/felix-settings.ts";
import { marksFromMask } from "../../felix/render/marks.ts";
import {
  defaultRenderOptions,
  type Failsafe,
  type NatOutgoing,
  type RenderOptions,
} from "../../felix/render/options.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import type { BgpRenderOptions } from "./bgp-render-options.ts";

/** What the node's kernel has, and which of its interfaces is used. */
export interface RenderKernel {
  /** One without IPv6 has no ip6tables either, and would refuse every IPv6 table. */
  readonly hasIpv6: boolean;
  readonly backend: RenderOptions["backend"];
}

/** What rendering goes by. Of the two sets of parameters, those of the backend count, as with upstream. */
export function renderOptionsOf(
  settings: FelixSettings,
  { hasIpv6, backend }: RenderKernel,
  bgp: BgpRenderOptions = noBgp,
): RenderOptions {
  const { filterAllow, mangleAllow, filterDeny, markMask } = ofBackend(settings, backend);
  const { serviceLoopPrevention, logActionRateLimit, logActionRateLimitBurst } = settings;
  return {
    versions: hasIpv6 && settings.ipv6Support ? [4, 6] : [4],
    backend,
    interfacePrefix: settings.interfacePrefix,
    marks: marksFromMask(markMask),
    endpointToHostAction: settings.defaultEndpointToHostAction,
    denyAction: filterDeny,
    allowAction: { filter: filterAllow, mangle: mangleAllow },
    hookPlace: settings.chainInsertMode,
    allowInvalid: settings.disableConntrackInvalidCheck,
    serviceLoop: {
      networks: bgp.serviceNetworks,
      action: serviceLoopPrevention === "disabled" ? "none" : serviceLoopPrevention,
    },
    bgpPorts: bgp.ports,
    natOutgoing: natOutgoingOf(settings),
    floatingIps: settings.floatingIPs,
    foreignSources: settings.workloadSourceSpoofing === "any",
    routes: routesOf(settings),
    maxSetSize: settings.maxIpsetSize,
    failsafes: {
      inbound: settings.failsafeInboundHostPorts.map(failsafeOf),
      outbound: settings.failsafeOutboundHostPorts.map(failsafeOf),
    },
    allowFromWorkloads: {
      vxlan: settings.allowVXLANPacketsFromWorkloads,
      ipip: settings.allowIPIPPacketsFromWorkloads,
    },
    vxlanPort: settings.vxlanPort,
    logPrefix: settings.logPrefix || defaultRenderOptions.logPrefix,
    ...(logActionRateLimit === undefined
      ? {}
      : {
          logLimit: {
            rate: `${logActionRateLimit.packets}/${logActionRateLimit.unit}`,
            burst: logActionRateLimitBurst,
          },
        }),
  };
}

// --- internal ---

const noBgp: BgpRenderOptions = { serviceNetworks: [], ports: defaultRenderOptions.bgpPorts };

function ofBackend(settings: FelixSettings, backend: RenderOptions["backend"]) {
  if (backend === "nftables") {
    return {
      filterAllow: settings.nftablesFilterAllowAction,
      mangleAllow: settings.nftablesMangleAllowAction,
      filterDeny: settings.nftablesFilterDenyAction,
      markMask: settings.nftablesMarkMask,
    };
  }
  return {
    filterAllow: settings.iptablesFilterAllowAction,
    mangleAllow: settings.iptablesMangleAllowAction,
    filterDeny: settings.iptablesFilterDenyAction,
    markMask: settings.iptablesMarkMask,
  };
}

function natOutgoingOf(settings: FelixSettings): NatOutgoing {
  const { natOutgoingAddress, natPortRange, iptablesNATOutgoingInterfaceFilter, natOutgoingExclusions } = settings;
  return {
    ...(natOutgoingAddress === undefined ? {} : { address: natOutgoingAddress }),
    ...(natPortRange === undefined ? {} : { ports: natPortRange }),
    ...(iptablesNATOutgoingInterfaceFilter === undefined ? {} : { interface: iptablesNATOutgoingInterfaceFilter }),
    exclusions: natOutgoingExclusions,
  };
}

function routesOf(settings: FelixSettings): RenderOptions["routes"] {
  const { deviceRouteSourceAddress: ipv4, deviceRouteSourceAddressIPv6: ipv6 } = settings;
  return {
    metric: { 4: settings.ipv4NormalRoutePriority, 6: settings.ipv6NormalRoutePriority },
    source: { ...(ipv4 === undefined ? {} : { 4: ipv4 }), ...(ipv6 === undefined ? {} : { 6: ipv6 }) },
  };
}

function failsafeOf({ protocol, port, net }: FailsafePort): Failsafe {
  return { protocol: ianaNumbers[protocol], port, ...(net === undefined ? {} : { net }) };
}

const ianaNumbers = { tcp: protocolNumbers.TCP, udp: protocolNumbers.UDP, sctp: protocolNumbers.SCTP };

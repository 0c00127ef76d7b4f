import { expect, test } from "vitest";
import { bgpRenderOptions } from "../../../../src/agent/settings/bgp-render-options.ts";
import { renderOptionsOf } from "../../../../src/agent/settings/render-options-of.ts";
import { resolveSettings } from "../../../../src/felix/config/resolve-settings.ts";
import { clusterSnapshot } from "../../bgp/cluster.ts";
import { withServices } from "../../bgp/service-words.ts";

const peers = {
  router: { peerIP: "172.16.0.9:1790", asNumber: 64513 },
  other: { peerIP: "[fd01::9]:1791", asNumber: 64513 },
  selected: { peerSelector: "all()" },
};
const configurations = {
  default: {
    listenPort: 1792,
    serviceClusterIPs: [{ cidr: "10.96.0.0/12" }],
    serviceExternalIPs: [{ cidr: "203.0.113.0/28" }, { cidr: "10.96.0.0/12" }],
    serviceLoadBalancerIPs: [{ cidr: "192.0.2.7/32" }],
  },
  "node.node-2": { listenPort: 1790 },
};
const snapshot = withServices(clusterSnapshot({ nodes: {}, peers }), configurations, {});

test("ports are those of every node and every peer, with 179, and networks are all of Services, each once and in order", () => {
  expect(bgpRenderOptions(snapshot)).toEqual({
    ports: [179, 1790, 1791, 1792],
    serviceNetworks: ["10.96.0.0/12", "192.0.2.7/32", "203.0.113.0/28"],
  });
  expect(bgpRenderOptions(clusterSnapshot({ nodes: {} }))).toEqual({ ports: [179], serviceNetworks: [] });
});

test("rules are rendered with them", () => {
  const { settings } = resolveSettings({ environment: {}, objects: {} });
  const bgp = bgpRenderOptions(snapshot);
  expect(renderOptionsOf(settings, { hasIpv6: true, backend: "iptables" }, bgp)).toMatchObject({
    serviceLoop: { action: "drop", networks: bgp.serviceNetworks },
    bgpPorts: bgp.ports,
  });
});

import { expect, test } from "vitest";
import { renderOptionsOf } from "../../../../src/agent/settings/render-options-of.ts";
import type { FelixSettings } from "../../../../src/felix/config/felix-settings.ts";
import { resolveSettings } from "../../../../src/felix/config/resolve-settings.ts";
import { marksFromMask } from "../../../../src/felix/render/marks.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";

const iptables = { hasIpv6: true, backend: "iptables" } as const;
const nftables = { hasIpv6: true, backend: "nftables" } as const;

function settings(environment: Record<string, string> = {}): FelixSettings {
  const named = Object.entries(environment).map(([name, text]) => [`FELIX_${name}`, text]);
  const { settings, problems } = resolveSettings({ environment: Object.fromEntries(named), objects: {} });
  expect(problems).toEqual([]);
  return settings;
}

test("what is built in gives the defaults of rendering, with upstream's metrics", () => {
  const routes = { metric: { 4: 1024, 6: 1024 }, source: {} };
  expect(renderOptionsOf(settings(), iptables)).toEqual({ ...defaultRenderOptions, routes });
  expect(renderOptionsOf(settings(), nftables)).toEqual({ ...defaultRenderOptions, routes, backend: "nftables" });
});

test("without a prefix lines of the log have the one that is built in, as upstream's", () => {
  expect(renderOptionsOf(settings({ LOGPREFIX: "none" }), iptables).logPrefix).toBe("calico-packet");
});

test("IPv6 is left out where the kernel has none, and where it is switched off", () => {
  expect(renderOptionsOf(settings(), { ...iptables, hasIpv6: false }).versions).toEqual([4]);
  expect(renderOptionsOf(settings({ IPV6SUPPORT: "false" }), iptables).versions).toEqual([4]);
});

test("each backend has its own actions and marks", () => {
  const both = settings({
    ...{ IPTABLESFILTERALLOWACTION: "Return", IPTABLESMARKMASK: "0xff", NFTABLESFILTERDENYACTION: "Reject" },
    ...{ NFTABLESMANGLEALLOWACTION: "Return", NFTABLESMARKMASK: "0xff00" },
  });
  expect(renderOptionsOf(both, iptables)).toMatchObject({
    ...{ allowAction: { filter: "return", mangle: "accept" }, denyAction: "drop", marks: marksFromMask(0xff) },
  });
  expect(renderOptionsOf(both, nftables)).toMatchObject({
    ...{ allowAction: { filter: "accept", mangle: "return" }, denyAction: "reject", marks: marksFromMask(0xff00) },
  });
});

test("every other setting of rules and routes reaches rendering", () => {
  const all = settings({
    ...{ CHAININSERTMODE: "append", DEFAULTENDPOINTTOHOSTACTION: "drop", DISABLECONNTRACKINVALIDCHECK: "true" },
    ...{
      SERVICELOOPPREVENTION: "Disabled",
      WORKLOADSOURCESPOOFING: "Any",
      FLOATINGIPS: "Enabled",
      MAXIPSETSIZE: "1000",
      VXLANPORT: "8472",
    },
    ...{ ALLOWVXLANPACKETSFROMWORKLOADS: "1", ALLOWIPIPPACKETSFROMWORKLOADS: "1", INTERFACEPREFIX: "cal" },
    ...{ NATOUTGOINGADDRESS: "192.0.2.1", NATPORTRANGE: "1:2", IPTABLESNATOUTGOINGINTERFACEFILTER: "eth+" },
    ...{ NATOUTGOINGEXCLUSIONS: "IPPoolsAndHostIPs", DEVICEROUTESOURCEADDRESS: "192.0.2.2" },
    ...{ DEVICEROUTESOURCEADDRESSIPV6: "2001:db8::2", IPV4NORMALROUTEPRIORITY: "7", IPV6NORMALROUTEPRIORITY: "8" },
    ...{
      FAILSAFEINBOUNDHOSTPORTS: "sctp:5",
      FAILSAFEOUTBOUNDHOSTPORTS: "udp:10.0.0.0/8:53",
      LOGACTIONRATELIMIT: "3/day",
      LOGPREFIX: "%t: %n",
    },
  });
  expect(renderOptionsOf(all, iptables)).toEqual({
    ...{ versions: [4, 6], backend: "iptables", interfacePrefix: "cal", marks: marksFromMask(0xffff0000) },
    ...{ endpointToHostAction: "drop", denyAction: "drop", allowAction: { filter: "accept", mangle: "accept" } },
    ...{ hookPlace: "append", allowInvalid: true, serviceLoop: { action: "none", networks: [] }, bgpPorts: [179] },
    ...{ floatingIps: true },
    ...{ foreignSources: true, logPrefix: "%t: %n" },
    natOutgoing: {
      address: "192.0.2.1",
      ports: { first: 1, last: 2 },
      interface: "eth+",
      exclusions: "pools-and-hosts",
    },
    routes: { metric: { 4: 7, 6: 8 }, source: { 4: "192.0.2.2", 6: "2001:db8::2" } },
    maxSetSize: 1000,
    failsafes: {
      inbound: [{ protocol: 132, port: 5 }],
      outbound: [{ protocol: 17, port: 53, net: "10.0.0.0/8" }],
    },
    allowFromWorkloads: { vxlan: true, ipip: true },
    vxlanPort: 8472,
    logLimit: { rate: "3/day", burst: 5 },
  });
});

import { parseBgpFilter } from "../../../src/api/bgp-filter.ts";
import type { BirdConfig } from "../../../src/bgp/plan/bird-config.ts";
import type { BirdFilter } from "../../../src/bgp/plan/bird-filter.ts";
import { compileFilter } from "../../../src/bgp/plan/compile-filter.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { birdConfig, type SessionWords } from "./bird-words.ts";

const own = "172.18.1.2";
const own6 = "fd00:18:1::2";
const tor = "172.18.1.1";

/** The compiled form of one BGPFilter, which must be usable. */
export function filtersOf(name: string, spec: object): readonly BirdFilter[] {
  const compiled = compileFilter(parseBgpFilter({ metadata: { name }, spec }));
  if ("unusable" in compiled) throw new Error(`${name} does not compile`);
  return compiled.filters;
}

/** Every form of match and every operation, for both families. */
const ruleForms = (inside: string, [shorter, longer]: readonly [number, number]) => [
  { cidr: inside, matchOperator: "Equal", action: "Accept" },
  { cidr: inside, matchOperator: "NotEqual", source: "RemotePeers", action: "Reject" },
  { cidr: inside, matchOperator: "In", action: "Accept" },
  { cidr: inside, matchOperator: "In", prefixLength: { min: shorter, max: longer }, action: "Reject" },
  { cidr: inside, matchOperator: "NotIn", prefixLength: { max: longer }, interface: "eth*", action: "Reject" },
  { interface: "cali*", peerType: "eBGP", action: "Reject" },
  { peerType: "iBGP", communities: { values: ["65000:100"] }, action: "Accept" },
  { communities: { values: ["4200000000:1:2"] }, asPathPrefix: [65001, "64.10"], action: "Reject" },
  {
    priority: 512,
    action: "Accept",
    operations: [
      { addCommunity: { value: "65000:200" } },
      { addCommunity: { value: "65000:200:300" } },
      { prependASPath: { prefix: [65010, 65011] } },
      { setPriority: { value: 256 } },
    ],
  },
  { action: "Reject" },
];

const everyForm = filtersOf("every.form-1", {
  importV4: ruleForms("10.0.0.0/8", [16, 24]),
  exportV4: ruleForms("10.0.0.0/8", [16, 24]),
  importV6: ruleForms("fd00::/16", [48, 64]),
  exportV6: ruleForms("fd00::/16", [48, 64]),
});
/** Its one rule matches nothing, so that its function does nothing. */
const idle = filtersOf("idle", {
  importV4: [{ cidr: "10.0.0.0/24", matchOperator: "In", prefixLength: { max: 20 }, action: "Reject" }],
});

const everySessionOption: Readonly<Record<string, SessionWords>> = {
  "172.18.1.11": { port: 1790, neighborAs: 64513, localAs: 64999, passive: true },
  "172.18.1.12": { source: undefined, nextHop: "self" },
  "172.18.1.13": { neighborAs: 64513, nextHop: "keep", allowedLocalAs: 2 },
  "172.18.1.14": { restartTimeS: 300, keepaliveS: 20 },
  "172.18.1.15": { restartTimeS: 0, keepaliveS: 100 },
  "172.18.1.16": { neighborAs: 64513, ttlSecurityHops: 1 },
  "172.18.1.17": { neighborAs: 64513, ttlSecurityHops: 255 },
};

/** Each is kept as `test/golden/bgp/<name>.conf`. */
export const optionConfigs: Readonly<Record<string, BirdConfig>> = {
  "log-debug": birdConfig({ logLevel: "debug", families: { [own]: {} } }),
  "log-warning": birdConfig({ logLevel: "warning", families: { [own]: {} } }),
  "log-none": birdConfig({ logLevel: "none", families: { [own]: {} } }),
  "listen-on-node-ip": birdConfig({
    ...{ listenPort: 1790, bindsToNodeIp: true, ignoredInterfaces: ["eth9", "cali*"] },
    families: {
      [own]: { sessions: { [tor]: {}, "172.18.1.9": { source: undefined } } },
      [own6]: { sessions: { "fd00:18:1::1": { source: undefined } } },
    },
  }),
  "session-options": birdConfig({ families: { [own]: { sessions: everySessionOption } } }),
  passwords: birdConfig({
    families: {
      [own]: { sessions: { [tor]: { password: "it's #1; { or \\ }" }, "172.18.1.9": { password: "~".repeat(80) } } },
    },
  }),
  held: birdConfig({
    families: { [own]: { sessions: { [tor]: { held: 'Secret "bgp" is missing; add it' }, "172.18.1.9": {} } } },
  }),
  reflector: birdConfig({
    families: {
      [own]: {
        sessions: {
          "172.18.1.3": { name: "Node_172_18_1_3", kind: "node", reflectorCluster: parseIp("224.0.0.1") },
          "172.18.1.4": { name: "Node_172_18_1_4", kind: "node" },
          [tor]: { neighborAs: 64513, reflectorCluster: parseIp("224.0.0.1") },
        },
      },
    },
  }),
  bfd: birdConfig({
    families: {
      [own]: { sessions: { [tor]: { bfd: true, ttlSecurityHops: 1 }, "172.18.1.9": { bfd: true, source: undefined } } },
      [own6]: { sessions: { "fd00:18:1::1": {} } },
    },
  }),
  gateways: birdConfig({
    families: {
      [own]: {
        gateways: [{ destination: parseCidr("172.18.9.1/32"), via: parseIp(tor) }],
        sessions: { "172.18.9.1": {} },
      },
      [own6]: { gateways: [{ destination: parseCidr("fd00:18:9::1/128"), via: parseIp("fd00:18:1::1") }] },
    },
  }),
  services: birdConfig({
    families: {
      [own]: {
        serviceRanges: [parseCidr("10.96.0.0/12"), parseCidr("203.0.113.0/24")],
        exports: {
          services: [parseCidr("10.96.0.0/12"), parseCidr("203.0.113.7/32")],
          pools: [parseCidr("192.168.0.0/16")],
        },
      },
      [own6]: { serviceRanges: [parseCidr("fd00:96::/112")], exports: { services: [parseCidr("fd00:96::/112")] } },
    },
  }),
  communities: birdConfig({
    families: {
      [own]: {
        exports: {
          blocks: [parseCidr("192.168.10.0/26")],
          communities: [
            {
              cidr: parseCidr("192.168.0.0/16"),
              communities: [
                [64512, 300],
                [64512, 300, 400],
              ],
            },
            { cidr: parseCidr("192.168.10.0/26"), communities: [[65535, 65535]] },
          ],
        },
      },
    },
  }),
  draining: birdConfig({
    families: {
      [own]: { normalRoutePriority: 2000, exports: { isDraining: true, blocks: [parseCidr("192.168.10.0/26")] } },
    },
  }),
  workload: birdConfig({
    filters: filtersOf("pods", { importV4: [{ cidr: "10.9.0.0/16", matchOperator: "In", action: "Accept" }] }),
    families: {
      [own]: {
        sessions: {
          "192.168.10.5": {
            ...{
              name: "Local_Workload_192_168_10_5",
              kind: "workload",
              neighborAs: 65001,
              passive: true,
              source: undefined,
            },
            importFilters: ["bgp_pods_importFilterV4"],
          },
        },
      },
    },
  }),
  filters: birdConfig({
    filters: [...everyForm, ...idle],
    families: {
      [own]: {
        sessions: {
          [tor]: {
            neighborAs: 64513,
            importFilters: ["bgp_idle_importFilterV4", "bgp_every.form-1_importFilterV4"],
            exportFilters: ["bgp_every.form-1_exportFilterV4"],
          },
        },
      },
      [own6]: {
        sessions: {
          "fd00:18:1::1": {
            importFilters: ["bgp_every.form-1_importFilterV6"],
            exportFilters: ["bgp_every.form-1_exportFilterV6"],
          },
        },
      },
    },
  }),
};

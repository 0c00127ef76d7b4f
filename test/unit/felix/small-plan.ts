import type { EndpointPlan, NodePlan, PolicyId, PolicyPlan, SetId } from "../../../src/felix/calc/plan.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";

const webToDb = "knp/shop/web-to-db" as PolicyId;
const outward = "knp/shop/only-to-the-outside-world-by-name" as PolicyId;
const web = "s:AbCdEfGhIjKlMnOpQrStUvW" as SetId;
const nobody = "s:XyCdEfGhIjKlMnOpQrStUvW" as SetId;

const policies: readonly PolicyPlan[] = [
  {
    id: webToDb,
    ingress: [
      {
        action: "allow",
        protocol: 6,
        source: { sets: [web] },
        destination: { ports: [{ first: 5432, last: 5432 }] },
      },
      { action: "allow", protocol: 17, source: { sets: [nobody] }, destination: {} },
    ],
    egress: [],
  },
  {
    id: outward,
    ingress: [],
    egress: [
      {
        action: "allow",
        ipVersion: 4,
        protocol: 6,
        source: {},
        destination: {
          nets: [parseCidr("0.0.0.0/0")],
          notNets: [parseCidr("10.0.0.0/8"), parseCidr("192.168.0.0/16")],
          ports: Array.from({ length: 17 }, (_, index) => ({ first: 80 + 2 * index, last: 80 + 2 * index })),
        },
      },
      {
        action: "allow",
        ipVersion: 6,
        protocol: 132,
        source: {},
        destination: { nets: [parseCidr("2001:db8::/32")], ports: [{ first: 7000, last: 7999 }] },
      },
      { action: "deny", source: {}, destination: { notNets: [parseCidr("fd00::/8")] } },
      { action: "pass", source: {}, destination: { ports: [{ first: 53, last: 53 }] } },
    ],
  },
];

const endpoints: readonly EndpointPlan[] = [
  {
    hostInterface: "cali0a1b2c3d4e5",
    addresses: [parseIp("192.168.1.1"), parseIp("fd00:1::1")],
    state: "open",
    ingress: { tiers: [{ name: "default", policies: [webToDb], endAction: "deny" }], profile: "allow" },
    egress: { tiers: [{ name: "default", policies: [outward], endAction: "deny" }], profile: "allow" },
  },
  {
    hostInterface: "cali0f1b2c3d4e5",
    addresses: [parseIp("192.168.1.2")],
    state: "open",
    ingress: { tiers: [], profile: "allow" },
    egress: { tiers: [], profile: "deny" },
  },
  {
    hostInterface: "calif9b2c3d4e55",
    addresses: [parseIp("192.168.1.3")],
    state: "closed",
    ingress: { tiers: [], profile: "deny" },
    egress: { tiers: [], profile: "deny" },
  },
];

/** Three endpoints, one of them closed, and two policies, of which one needs mark bits to say what it says. */
export const smallPlan: NodePlan = {
  endpoints: new Map(endpoints.map((endpoint) => [endpoint.hostInterface, endpoint])),
  policies: new Map(policies.map((policy) => [policy.id, policy])),
  sets: new Map([
    [web, { id: web, members: new Set([parseIp("192.168.1.2"), parseIp("192.168.2.7"), parseIp("fd00:1::2")]) }],
    [nobody, { id: nobody, members: new Set() }],
  ]),
  pools: [parseCidr("192.168.0.0/16"), parseCidr("fd00:1::/64")],
  masqueradedPools: [parseCidr("192.168.0.0/16")],
  bgpNeighbours: [parseIp("172.16.0.1"), parseIp("172.16.0.2"), parseIp("fd01::1")],
};

import type { EndpointPlan, NodePlan, PolicyId, PolicyPlan, RulePlan, SetId } from "../../../src/felix/calc/plan.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";

const webToDb = "knp/shop/web-to-db" as PolicyId;
const outward = "knp/shop/only-to-the-outside-world-by-name" as PolicyId;
const web = "s:AbCdEfGhIjKlMnOpQrStUvW" as SetId;
const nobody = "s:XyCdEfGhIjKlMnOpQrStUvW" as SetId;

const ports = (...numbers: readonly number[]) => ({
  ranges: numbers.map((port) => ({ first: port, last: port })),
  sets: [],
});

const policies: readonly PolicyPlan[] = [
  policyOf(webToDb, {
    ingress: [
      ruleOf("allow", { protocol: 6, source: { sets: [web] }, destination: { ports: ports(5432) } }),
      ruleOf("allow", { protocol: 17, source: { sets: [nobody] }, origin: 1 }),
    ],
  }),
  policyOf(outward, {
    egress: [
      ruleOf("allow", {
        ipVersion: 4,
        protocol: 6,
        destination: {
          nets: [parseCidr("0.0.0.0/0")],
          notNets: [parseCidr("10.0.0.0/8"), parseCidr("192.168.0.0/16")],
          ports: ports(...Array.from({ length: 17 }, (_, index) => 80 + 2 * index)),
        },
      }),
      ruleOf("allow", {
        ipVersion: 6,
        protocol: 132,
        destination: { nets: [parseCidr("2001:db8::/32")], ports: { ranges: [{ first: 7000, last: 7999 }], sets: [] } },
        origin: 1,
      }),
      ruleOf("deny", { destination: { notNets: [parseCidr("fd00::/8")] }, origin: 2 }),
      ruleOf("pass", { destination: { ports: ports(53) }, origin: 3, name: "names" }),
    ],
  }),
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
  hostEndpoints: new Map(),
  policies: new Map(policies.map((policy) => [policy.id, policy])),
  sets: new Map([
    [
      web,
      {
        kind: "addresses",
        id: web,
        members: new Set([parseIp("192.168.1.2"), parseIp("192.168.2.7"), parseIp("fd00:1::2")]),
      },
    ],
    [nobody, { kind: "addresses", id: nobody, members: new Set() }],
  ]),
  pools: [parseCidr("192.168.0.0/16"), parseCidr("fd00:1::/64")],
  masqueradedPools: [parseCidr("192.168.0.0/16")],
  bgpNeighbours: [parseIp("172.16.0.1"), parseIp("172.16.0.2"), parseIp("fd01::1")],
  hosts: [parseIp("172.16.0.1"), parseIp("fd01::1")],
};

/** A rule that matches everything, but for what is said. */
export function ruleOf(action: RulePlan["action"], said: Partial<RulePlan> = {}): RulePlan {
  return { action, origin: 0, source: {}, destination: {}, ...said };
}

/** A policy of the tier `default` that applies to everything and has no rules, but for what is said. */
export function policyOf(id: PolicyId, said: Partial<PolicyPlan> = {}): PolicyPlan {
  const revision = { uid: `uid of ${id}`, generation: 1 };
  const about = { tier: "default", selector: "all()", staged: false, problems: [] };
  return { id, revision, ...about, ingress: [], egress: [], ...said };
}

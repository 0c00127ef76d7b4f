import type {
  DirectionPlan,
  HostEndpointPlan,
  NodePlan,
  PolicyId,
  PolicyPlan,
  PortMember,
  SetId,
  SetPlan,
} from "../../../src/felix/calc/plan.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { policyOf, ruleOf, smallPlan } from "./small-plan.ts";

const idOf = (name: string) => `gnp/${name}` as PolicyId;
const named = "n:AbCdEfGhIjKlMnOpQrStUvW" as SetId;
const service = "svc:AbCdEfGhIjKlMnOpQrStUv" as SetId;
const trusted = "s:TrCdEfGhIjKlMnOpQrStUvW" as SetId;

const portOf = (port: number) => ({ ranges: [{ first: port, last: port }], sets: [] });

const policies: readonly PolicyPlan[] = [
  policyOf(idOf("no-tracking"), {
    selector: "has(fast)",
    ingress: [ruleOf("allow", { protocol: 17, destination: { ports: portOf(53) } })],
    egress: [ruleOf("allow", { protocol: 17, source: { ports: portOf(53) } })],
  }),
  policyOf(idOf("before-dnat"), {
    ingress: [
      ruleOf("allow", { source: { sets: [trusted] } }),
      ruleOf("deny", { protocol: 6, destination: { ports: { ranges: [{ first: 30_000, last: 32_767 }], sets: [] } } }),
    ],
  }),
  policyOf(idOf("passing-through"), {
    ingress: [ruleOf("deny", { source: { nets: [parseCidr("203.0.113.0/24"), parseCidr("2001:db8:bad::/48")] } })],
  }),
  policyOf(idOf("ports"), {
    ingress: [
      ruleOf("log", { protocol: 6 }),
      ruleOf("allow", {
        protocol: 6,
        source: { notSets: [trusted], notPorts: portOf(7) },
        destination: { ports: { ranges: [{ first: 8000, last: 8999 }], sets: [named] } },
        origin: 1,
      }),
      ruleOf("allow", { protocol: 6, destination: { ports: { ranges: [], sets: [named] } }, origin: 2 }),
      ruleOf("allow", { destination: { notPorts: { ranges: [{ first: 1, last: 99 }], sets: [named] } }, origin: 3 }),
    ],
    egress: [ruleOf("allow", { destination: { portSets: [service] } })],
  }),
  policyOf(idOf("icmp"), {
    ingress: [
      ruleOf("allow", { ipVersion: 4, protocol: 1, icmp: { type: 8, code: 0 } }),
      ruleOf("allow", { ipVersion: 6, protocol: 58, icmp: { type: 128 }, notIcmp: { type: 128, code: 3 }, origin: 1 }),
      ruleOf("deny", { notIcmp: { type: 13 }, notProtocol: 6, origin: 2 }),
      ruleOf("deny", { notProtocol: 17, origin: 3 }),
    ],
  }),
  policyOf(idOf("on-trial"), {
    staged: true,
    ingress: [ruleOf("deny", { protocol: 6 }), ruleOf("log"), ruleOf("allow", { origin: 2 })],
  }),
  ...["a", "b", "c", "d", "e", "f"].map((name) => policyOf(idOf(name), { selector: "has(group)" })),
  policyOf(idOf("web"), { ingress: [ruleOf("allow", { http: { methods: ["GET"], paths: [] } })] }),
];

const nothing: DirectionPlan = { tiers: [], profile: "none" };
const allow: DirectionPlan = { tiers: [], profile: "allow" };

function tiersOf(profile: DirectionPlan["profile"], ...names: readonly string[]): DirectionPlan {
  const endAction = profile === "none" ? "pass" : "deny";
  return { profile, tiers: [{ name: "default", policies: names.map(idOf), endAction }] };
}

const eth0: HostEndpointPlan = {
  name: "uplink",
  interfaceName: "eth0",
  untracked: { ingress: tiersOf("none", "no-tracking"), egress: tiersOf("none", "no-tracking") },
  preDnat: tiersOf("none", "before-dnat"),
  forward: { ingress: tiersOf("none", "passing-through"), egress: allow },
  normal: {
    ingress: tiersOf("deny", "on-trial", "ports", "icmp", "a", "b", "c", "d", "e", "f", "web"),
    egress: tiersOf("allow", "ports"),
  },
};

const eth1: HostEndpointPlan = {
  name: "storage",
  interfaceName: "eth1",
  untracked: { ingress: nothing, egress: nothing },
  preDnat: nothing,
  forward: { ingress: allow, egress: allow },
  normal: { ingress: allow, egress: allow },
};

const others: HostEndpointPlan = { ...eth0, name: "rest", interfaceName: "*" };

/** The last one is of a protocol that no set can hold. */
const portMembers = ["10.0.0.1,6:80", "10.0.0.1,132:81", "10.0.0.2,136:82", "fd00::1,17:53", "10.0.0.1,33:9"];

function portSet(id: SetId, members: readonly string[]): SetPlan {
  return { kind: "ports", id, members: new Set(members.map((member) => member as PortMember)) };
}

const sets: readonly SetPlan[] = [
  portSet(named, portMembers),
  portSet(service, ["10.96.0.1,6:443"]),
  {
    kind: "addresses",
    id: trusted,
    members: new Set([
      ...["10.0.0.7", "fd00::7"].map(parseIp),
      ...["10.0.0.7/32", "0.0.0.0/0", "128.0.0.0/1", "fd00::7/128", "::/0", "2001:db8::/32"].map(parseCidr),
    ]),
  },
];

/** The small plan on a node with host endpoints for two interfaces and for the rest, which use all that rules can say. */
export const hostPlan: NodePlan = {
  ...smallPlan,
  hostEndpoints: new Map([eth0, eth1, others].map((endpoint) => [endpoint.interfaceName, endpoint])),
  policies: new Map([...smallPlan.policies, ...policies.map((policy) => [policy.id, policy] as const)]),
  sets: new Map([...smallPlan.sets, ...sets.map((set) => [set.id, set] as const)]),
};

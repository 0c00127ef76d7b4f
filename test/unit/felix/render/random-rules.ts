/** Tiers of policies whose rules match on whatever rules can match on. */
import fc from "fast-check";
import type {
  IcmpMatch,
  MatchPlan,
  NodePlan,
  PolicyId,
  PolicyPlan,
  PortMember,
  PortRange,
  PortsMatch,
  RulePlan,
  SetId,
  SetPlan,
} from "../../../../src/felix/calc/plan.ts";
import { type Cidr, parseCidr } from "../../../../src/net/cidr.ts";
import { type IpVersion, parseIp } from "../../../../src/net/ip.ts";
import { policyOf, ruleOf } from "../small-plan.ts";

/** A set of addresses, and its members below. */
export const set = "s:members" as SetId;
/** A set of ports. */
export const portSet = "n:members" as SetId;
/** Also of DCCP, which no set of the kernel can hold. */
export const portMembers = new Set(
  ["10.0.0.1,6:2", "10.0.0.2,17:31", "10.0.0.5,132:30", "10.0.0.5,33:2", "fd00::1,6:2", "fd00::2,136:61"].map(
    (member) => member as PortMember,
  ),
);
/** Of `set`. */
export const members = new Set(["10.0.0.1", "10.0.0.5", "fd00::1"].map(parseIp));
/** In and outside the networks and sets that rules name. */
export const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.5", "172.16.0.1", "fd00::1", "fd00::2"].map(parseIp);
const networks = ["10.0.0.0/8", "10.0.0.1/32", "10.0.0.4/30", "172.16.0.0/12", "fd00::/8", "fd00::2/128"].map(
  parseCidr,
);
/** At and beside the ends of ranges. */
export const ports = [2, 30, 31, 61, 120];

const range: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom(...ports), fc.constantFrom(0, 0, 1, 25))
  .map(([first, more]) => ({ first, last: first + more }));
/** Too many for one multiport match; every third port is in none. */
const manyPorts = fc
  .tuple(fc.integer({ min: 7, max: 45 }), fc.constantFrom(0, 1))
  .map(([count, more]) => Array.from({ length: count }, (_, i) => ({ first: 1 + 3 * i, last: 1 + 3 * i + more })));

/** Mostly absent, so that rules match often enough to decide. */
function maybe<T>(present: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(present, { nil: undefined, freq: 2 });
}

function rarely<T>(present: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, present);
}

const someNetworks = fc.oneof(
  { weight: 9, arbitrary: fc.uniqueArray(fc.constantFrom(...networks), { minLength: 1, maxLength: 4 }) },
  fc.constant<Cidr[]>([]),
);
const somePorts = fc.oneof({ weight: 9, arbitrary: fc.array(range, { minLength: 1, maxLength: 3 }) }, fc.constant([]));

const somePortsOrNames: fc.Arbitrary<PortsMatch> = fc.record({
  ranges: fc.oneof({ weight: 3, arbitrary: somePorts }, manyPorts),
  sets: fc.constantFrom<(readonly SetId[])[]>([], [], [portSet]),
});

const match: fc.Arbitrary<MatchPlan> = fc
  .record({
    nets: maybe(someNetworks),
    notNets: maybe(fc.uniqueArray(fc.constantFrom(...networks.slice(1)), { maxLength: 2 })),
    sets: rarely(fc.constant([set])),
    notSets: rarely(fc.constant([set])),
    portSets: rarely(fc.constant([portSet])),
    ports: maybe(somePortsOrNames),
    notPorts: rarely(somePortsOrNames),
  })
  .map((one) => present<MatchPlan>(one));

const icmp = fc.constantFrom<IcmpMatch[]>({ type: 8 }, { type: 8, code: 0 }, { type: 8, code: 1 }, { type: 0 });
const protocol = fc.constantFrom(6, 6, 17, 132, 136, 1, 58, 47);

const rule: fc.Arbitrary<RulePlan> = fc
  .record({
    action: fc.constantFrom("allow", "allow", "deny", "pass", "pass", "log"),
    origin: fc.nat(3),
    ipVersion: fc.constantFrom<(IpVersion | undefined)[]>(4, 6, undefined, undefined),
    protocol: maybe(protocol),
    notProtocol: rarely(protocol),
    icmp: rarely(icmp),
    notIcmp: rarely(icmp),
    source: fc.oneof(fc.constant({}), match),
    destination: fc.oneof(fc.constant({}), match),
    http: rarely(fc.constant({ methods: [], paths: [] })),
  })
  .map(({ http, ...one }) => present<RulePlan>(one.action === "allow" ? { ...one, http } : one));

/** It decides much, so that many policies in a row have something to say of one packet. */
const simpleRule = fc
  .record({ action: fc.constantFrom("allow", "deny", "pass"), protocol: fc.constantFrom(6, 17) })
  .map(({ action, protocol: number }) => ruleOf(action, { protocol: number }));

type PolicyDraft = Pick<PolicyPlan, "selector" | "staged"> & { readonly rules: readonly RulePlan[] };

const policy: fc.Arbitrary<PolicyDraft> = fc.record({
  rules: fc.array(rule, { maxLength: 3 }),
  selector: fc.constantFrom("a", "b"),
  staged: fc.constantFrom(false, false, false, true),
});

const simplePolicy: fc.Arbitrary<PolicyDraft> = fc.record({
  rules: fc.array(simpleRule, { maxLength: 1 }),
  selector: fc.constantFrom(...Array.from({ length: 9 }, () => "a"), "b"),
  staged: fc.constantFrom(...Array.from({ length: 9 }, () => false), true),
});

/** Policies by tier, and the ends of the tiers. */
const tiers = fc.array(
  fc.record({
    policies: fc.oneof(
      { weight: 3, arbitrary: fc.array(policy, { minLength: 1, maxLength: 2 }) },
      // Enough for groups of more than one stride.
      { weight: 1, arbitrary: fc.array(simplePolicy, { minLength: 6, maxLength: 9 }) },
    ),
    endAction: fc.constantFrom("deny", "pass"),
  }),
  { minLength: 1, maxLength: 3 },
);

/** The tiers of one endpoint, and what decides after them. */
export const plans = fc.record({ tiers, profile: fc.constantFrom("allow", "deny") });

export type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;

/** One endpoint that has every address, with the tiers on its ingress, of policies of that short kind. */
export function planOf({ tiers, profile }: Plan, kind = "knp"): NodePlan {
  const hostInterface = "cali1";
  const idOf = (tier: number, index: number) => `${kind}/ns/tier-${tier}-policy-${index}` as PolicyId;
  const ingress = {
    profile,
    tiers: tiers.map(({ policies, endAction }, tier) => ({
      name: `tier-${tier}`,
      policies: policies.map((_, index) => idOf(tier, index)),
      endAction,
    })),
  };
  const policies = tiers.flatMap((tier, number) =>
    tier.policies.map(
      ({ rules, ...said }, index): PolicyPlan => policyOf(idOf(number, index), { ...said, ingress: rules }),
    ),
  );
  return {
    endpoints: new Map([
      [hostInterface, { hostInterface, addresses, state: "open", ingress, egress: { tiers: [], profile: "allow" } }],
    ]),
    hostEndpoints: new Map(),
    policies: new Map(policies.map((policy) => [policy.id, policy])),
    sets: new Map<SetId, SetPlan>([
      [set, { kind: "addresses", id: set, members }],
      [portSet, { kind: "ports", id: portSet, members: portMembers }],
    ]),
    pools: [],
    masqueradedPools: [],
    bgpNeighbours: [],
    hosts: [],
  };
}

// --- internal ---

/** The value without its undefined properties. */
function present<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, property]) => property !== undefined)) as T;
}

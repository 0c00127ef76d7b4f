import fc from "fast-check";
import { expect, test } from "vitest";
import type {
  MatchPlan,
  NodePlan,
  PolicyId,
  PolicyPlan,
  PortRange,
  RulePlan,
  SetId,
} from "../../../../src/felix/calc/plan.ts";
import type { Match, Rule, Table } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { type Cidr, cidrContainsIp, cidrVersion, parseCidr } from "../../../../src/net/cidr.ts";
import { type Ip, type IpVersion, parseIp, versionOf } from "../../../../src/net/ip.ts";
import { forwarded, type Packet } from "../../../oracle/simulate-rules.ts";

const set = "s:members" as SetId;
const members = new Set(["10.0.0.1", "10.0.0.5", "fd00::1"].map(parseIp));
const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.5", "172.16.0.1", "fd00::1", "fd00::2"].map(parseIp);
const networks = ["10.0.0.0/8", "10.0.0.1/32", "10.0.0.4/30", "172.16.0.0/12", "fd00::/8", "fd00::2/128"].map(
  parseCidr,
);
const ports = [2, 30, 31, 61, 120];

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

const someNetworks = fc.oneof(
  { weight: 9, arbitrary: fc.uniqueArray(fc.constantFrom(...networks), { minLength: 1, maxLength: 4 }) },
  fc.constant<Cidr[]>([]),
);
const somePorts = fc.oneof({ weight: 9, arbitrary: fc.array(range, { minLength: 1, maxLength: 3 }) }, fc.constant([]));

const match: fc.Arbitrary<MatchPlan> = fc
  .record({
    nets: maybe(someNetworks),
    notNets: maybe(fc.uniqueArray(fc.constantFrom(...networks.slice(1)), { maxLength: 2 })),
    sets: fc.option(fc.constant([set]), { nil: undefined, freq: 2 }),
    ports: maybe(fc.oneof(somePorts, manyPorts)),
  })
  .map(present);

const rule: fc.Arbitrary<RulePlan> = fc
  .record({
    action: fc.constantFrom("allow", "allow", "deny", "pass", "pass", "log"),
    ipVersion: fc.constantFrom<(IpVersion | undefined)[]>(4, 6, undefined, undefined),
    protocol: fc.constantFrom(6, 17, undefined, undefined),
    source: fc.oneof(fc.constant({}), match),
    destination: fc.oneof(fc.constant({}), match),
  })
  .map(present);

/** Policies by tier, and the ends of the tiers. */
const tiers = fc.array(
  fc.record({
    policies: fc.array(fc.array(rule, { maxLength: 3 }), { minLength: 1, maxLength: 2 }),
    endAction: fc.constantFrom("deny", "pass"),
  }),
  { minLength: 1, maxLength: 3 },
);

const plans = fc.record({ tiers, profile: fc.constantFrom("allow", "deny") });

test("rules, tiers and profile decide as the plan says, whatever a rule matches on", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(plans, (plan) => {
      expect(firstDifference(plan)).toBeUndefined();
    }),
    { numRuns: 250 },
  );
});

const { marks } = defaultRenderOptions;

test.for<[string, (rule: Rule) => readonly Rule[]]>([
  ["a block keeps what the block before it found", withoutSetMark(marks.thisBlock, 0)],
  ["a rule begins with what the rule before it found", withoutSetMark(marks.allBlocks | marks.thisBlock, 0)],
  ["a failed block does not count", withoutSetMark(marks.allBlocks, 0)],
  ["a policy is asked after another has passed", (one) => ("chain" in one.action ? [withoutMark(one)] : [one])],
  ["the end of a tier drops what was passed", (one) => (one.action.kind === "drop" ? [withoutMark(one)] : [one])],
  ["a tier begins with the pass of the one before it", withoutSetMark(marks.pass, 0)],
])("the planted fault is seen: %s", { timeout: 60_000 }, ([, spoil]) => {
  let found: object | undefined;
  const property = fc.property(plans, (plan) => {
    found = firstDifference(plan, spoil);
    return found === undefined;
  });
  fc.check(property, { numRuns: 250, seed: 1, endOnFailure: true });
  expect(found).toBeDefined();
});

test("every rule is one that iptables can hold", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const { tables } = render(planOf(plan), defaultRenderOptions);
      for (const { chains } of tables.values()) for (const line of [...chains.values()].flat()) expectPrintable(line);
    }),
  );
});

// --- internal ---

type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;

/** The first packet, of every combination, that the rules and the plan judge differently. */
function firstDifference(plan: Plan, spoil: (rule: Rule) => readonly Rule[] = (one) => [one]): Packet | undefined {
  const state = render(planOf(plan), defaultRenderOptions);
  const tables = new Map([...state.tables].map(([key, table]) => [key, { ...table, chains: spoilt(table, spoil) }]));
  return packets.find((packet) => {
    const verdict = forwarded({ ...state, tables }, packet, "eth0").verdict;
    return verdict !== (verdictOf(plan, packet) === "allow" ? "accept" : "drop");
  });
}

const packets: readonly Packet[] = addresses
  .flatMap((source) => addresses.map((destination) => ({ source, destination })))
  .filter(({ source, destination }) => versionOf(source) === versionOf(destination))
  .flatMap((pair) => [6, 17].map((protocol) => ({ ...pair, protocol })))
  .flatMap((pair) => [2, 31].map((sourcePort) => ({ ...pair, sourcePort })))
  .flatMap((pair) =>
    ports.map((destinationPort) => ({ ...pair, destinationPort, state: "NEW" as const, mark: 0x1b0000 })),
  );

function spoilt(table: Table, spoil: (rule: Rule) => readonly Rule[]): Table["chains"] {
  return new Map([...table.chains].map(([name, rules]) => [name, rules.flatMap(spoil)]));
}

/** Leaves out the rules that set the bits of `mask` to `value`. */
function withoutSetMark(mask: number, value: number): (rule: Rule) => readonly Rule[] {
  return (one) => {
    const { action } = one;
    return action.kind === "set-mark" && action.mask === mask && action.value === value ? [] : [one];
  };
}

function withoutMark(one: Rule): Rule {
  return { ...one, matches: one.matches.filter(({ kind }) => kind !== "mark") };
}

/** One endpoint that has every address, with the tiers on its ingress. */
function planOf({ tiers, profile }: Plan): NodePlan {
  const hostInterface = "cali1";
  const idOf = (tier: number, index: number) => `knp/ns/tier-${tier}-policy-${index}` as PolicyId;
  const ingress = {
    profile,
    tiers: tiers.map(({ policies, endAction }, tier) => ({
      name: `tier-${tier}`,
      policies: policies.map((_, index) => idOf(tier, index)),
      endAction,
    })),
  };
  const policies = tiers.flatMap((tier, number) =>
    tier.policies.map((rules, index): PolicyPlan => ({ id: idOf(number, index), ingress: rules, egress: [] })),
  );
  return {
    endpoints: new Map([
      [hostInterface, { hostInterface, addresses, state: "open", ingress, egress: { tiers: [], profile: "allow" } }],
    ]),
    policies: new Map(policies.map((policy) => [policy.id, policy])),
    sets: new Map([[set, { id: set, members }]]),
    pools: [],
    masqueradedPools: [],
    bgpNeighbours: [],
  };
}

function verdictOf({ tiers, profile }: Plan, one: Packet): "allow" | "deny" {
  for (const { policies, endAction } of tiers) {
    const decisive = policies.flat().find(({ action, ...rest }) => action !== "log" && matches(rest, one));
    if (decisive?.action === "allow" || decisive?.action === "deny") return decisive.action;
    if (decisive === undefined && endAction === "deny") return "deny";
  }
  return profile;
}

/** The value without its undefined properties. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, property]) => property !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function matches({ ipVersion, protocol, source, destination }: Omit<RulePlan, "action">, one: Packet): boolean {
  return (
    (ipVersion ?? versionOf(one.source)) === versionOf(one.source) &&
    (protocol ?? one.protocol) === one.protocol &&
    sideMatches(source, one.source, one.sourcePort) &&
    sideMatches(destination, one.destination, one.destinationPort)
  );
}

function sideMatches({ nets, notNets, sets, ports: ranges }: MatchPlan, ip: Ip, port: number | undefined): boolean {
  const isIn = (net: Cidr) => cidrVersion(net) === versionOf(ip) && cidrContainsIp(net, ip);
  return (
    (nets?.some(isIn) ?? true) &&
    !(notNets?.some(isIn) ?? false) &&
    (sets === undefined || members.has(ip)) &&
    (ranges?.some(({ first, last }) => port !== undefined && first <= port && port <= last) ?? true)
  );
}

/** One address option a side, at most 15 ports in a match, and ports only beside a protocol that has them. */
function expectPrintable({ matches: all }: Rule): void {
  const ofKind = <K extends Match["kind"]>(kind: K) =>
    all.filter((one): one is Match & { kind: K } => one.kind === kind);
  for (const side of ["source", "destination"]) {
    expect(ofKind("net").filter((one) => one.side === side).length).toBeLessThanOrEqual(1);
  }
  expect(ofKind("protocol").length).toBeLessThanOrEqual(1);
  for (const { ports: ranges } of ofKind("ports")) {
    const slots = ranges.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
    expect(slots).toBeLessThanOrEqual(15);
    expect(ofKind("protocol")).toHaveLength(1);
  }
}

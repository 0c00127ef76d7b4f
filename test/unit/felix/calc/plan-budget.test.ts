import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodePlan, PolicyId, PolicyPlan, RulePlan, SetId, SetPlan } from "../../../../src/felix/calc/plan.ts";
import { isClosed, nodeBudget, withinBudget } from "../../../../src/felix/calc/plan-budget.ts";
import { costOf } from "../../../../src/felix/calc/policy-cost.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { forwarded, type Packet } from "../../../oracle/simulate-rules.ts";
import { addresses, planOf, plans } from "../render/random-rules.ts";
import { policyOf, ruleOf, smallPlan } from "../small-plan.ts";

test("a plan within the budget is the same object, at the limit too", () => {
  expect(withinBudget(smallPlan)).toBe(smallPlan);
  // Of each family one rule that matches and one that returns.
  const plan = planWith(policy("np/a/b", { rules: 3 }), policy("np/a/c", { sets: ids(3) }));
  const exact = { lines: 4 * 6, sets: 3 };
  expect(withinBudget(plan, exact)).toBe(plan);
  expect(closedIn(withinBudget(plan, { ...exact, lines: 23 }))).toEqual(["np/a/b"]);
  expect(closedIn(withinBudget(plan, { ...exact, sets: 2 }))).toEqual(["np/a/c"]);
});

test("the budget of a node stops what the kernel cannot take, and spares what is beside it", () => {
  const nets = Array.from({ length: 2500 }, (_, i) => parseCidr(`10.0.${i >> 8}.${i & 255}/32`));
  const wide = Array.from({ length: 100 }, () => ruleOf("allow", { source: { nets } }));
  const named = policy("np/evil/sets", { sets: ids(nodeBudget.sets + 1) });
  const modest = policy("np/good/modest", { rules: 1000, sets: ids(50, "s:modest") });
  const plan = withinBudget(planWith(modest, policyOf("np/evil/wide" as PolicyId, { ingress: wide }), named));
  expect(closedIn(plan)).toEqual(["np/evil/sets", "np/evil/wide"]);
  expect(plan.policies.get(modest.id)).toBe(modest);
  expect([...plan.sets.keys()]).toEqual(ids(50, "s:modest"));
});

test("the costliest are closed first, of equals by their ids, and no more than need be", () => {
  const [small, large, b, a] = [
    ...[policy("np/x/small", { rules: 5 }), policy("np/x/large", { rules: 50 })],
    ...[policy("np/x/b", { rules: 20 }), policy("np/x/a", { rules: 20 })],
  ] as const;
  for (const order of [[small, large, b, a] as const, [a, b, large, small] as const]) {
    const lines = (limit: number) => closedIn(withinBudget(planWith(...order), { lines: 4 * limit, sets: 0 }));
    expect(lines(95)).toEqual([]);
    expect(lines(94)).toEqual(["np/x/large"]);
    expect(lines(46)).toEqual(["np/x/large"]);
    expect(lines(45)).toEqual(["np/x/a", "np/x/large"]);
    expect(lines(1)).toEqual(["np/x/a", "np/x/b", "np/x/large", "np/x/small"]);
  }
});

test("sets that several name are no cover", () => {
  const shared = ids(30, "s:shared");
  const evil = ["np/evil/1", "np/evil/2"].map((id) => policy(id, { sets: shared }));
  const good = policy("np/good/own", { sets: ids(9, "s:own") });
  expect(closedIn(withinBudget(planWith(...evil, good), { lines: 10_000, sets: 20 }))).toEqual([
    "np/evil/1",
    "np/evil/2",
  ]);
  // One of them alone frees nothing: what the other one names stays.
  const two = withinBudget(planWith(...evil, policy("np/evil/more", { sets: ids(31, "s:more") })), {
    lines: 9_999,
    sets: 40,
  });
  expect(closedIn(two)).toEqual(["np/evil/more"]);
  expect([...two.sets.keys()]).toEqual(shared);
});

test("a closed policy keeps its place and says what, how large, the limit and what to do", () => {
  const large = policy("np/a/b", { rules: 10, said: { tier: "t", selector: "x == 'y'", problems: ["Other."] } });
  const { ingress, egress, problems, ...kept } = only(withinBudget(planWith(large), { lines: 8, sets: 0 }));
  const { ingress: _ingress, egress: _egress, problems: _problems, ...source } = large;
  expect(kept).toEqual(source);
  expect([ingress, egress]).toEqual([[{ action: "deny", origin: 0, source: {}, destination: {} }], []]);
  expect(problems).toEqual([
    "Other.",
    "It denies everything, as it is too large. It needs up to 40 rules in the kernel, and all policies of a node together can have 8: give it fewer networks, ports and rules, or put its networks into a NetworkSet that it selects",
  ]);
  const naming = only(withinBudget(planWith(policy("np/a/b", { sets: ids(10) })), { lines: 1000, sets: 8 }));
  expect(naming.problems[0]).toMatch(/^It denies everything.* name 10 sets, .* can name 8: give/);
});

test.for<[string, Partial<PolicyPlan>, string]>([
  ["knp/a/b", {}, "It allows nothing"],
  ["snp/a/b", { staged: true }, "It counts nothing"],
  ["sknp/a/b", { staged: true }, "It counts nothing"],
])("a closed %s has no rules", ([id, said, consequence]) => {
  const one = only(withinBudget(planWith(policy(id, { rules: 10, said })), { lines: 8, sets: 0 }));
  expect([one.ingress, one.egress]).toEqual([[], []]);
  expect(one.problems[0]).toContain(consequence);
});

test("a policy that would be none the cheaper stays as it is", () => {
  const deny = policyOf("np/a/b" as PolicyId, { ingress: [ruleOf("deny")] });
  const plan = planWith(deny, policy("np/a/c", { rules: 2 }));
  expect(closedIn(withinBudget(plan, { lines: 1, sets: 0 }))).toEqual(["np/a/c"]);
});

test("what says the same is the same object on the next call", () => {
  const budget = { lines: 100, sets: 2 };
  const [large, small, naming] = [
    ...[policy("np/a/large", { rules: 50 }), policy("np/a/small", { rules: 2 })],
    policy("np/a/naming", { sets: ids(3) }),
  ] as const;
  const plan = planWith(large, small, naming);
  const first = withinBudget(plan, budget);
  expect(withinBudget(plan, budget)).toBe(first);
  // The members of a set that is left out change.
  const sets = new Map([...plan.sets].map(([id]) => [id, setOf(id)]));
  expect(withinBudget({ ...plan, sets }, budget)).toBe(first);
  // Another part changes.
  const moved = withinBudget({ ...plan, pools: [parseCidr("10.0.0.0/8")] }, budget);
  expect(moved).toEqual({ ...first, pools: ["10.0.0.0/8"] });
  expect([moved.policies === first.policies, moved.sets === first.sets]).toEqual([true, true]);
  // One policy changes.
  const next = withinBudget(planWith(large, policy("np/a/small", { rules: 3 }), naming), budget);
  expect(closedIn(next)).toEqual(["np/a/large", "np/a/naming"]);
  for (const { id } of [large, naming]) expect(next.policies.get(id)).toBe(first.policies.get(id));
  expect(next.policies.get(small.id)).not.toBe(first.policies.get(small.id));
  // Room again.
  expect(withinBudget(planWith(small), budget).policies.get(small.id)).toBe(small);
});

test("a set that stays brings its new members", () => {
  const [stays] = ids(1, "s:stays");
  const plan = planWith(policy("np/a/large", { sets: ids(9) }), policy("np/a/small", { sets: ids(1, "s:stays") }));
  const first = withinBudget(plan, { lines: 1000, sets: 5 });
  const renewed: SetPlan = { kind: "addresses", id: stays as SetId, members: new Set([parseIp("10.0.0.1")]) };
  const second = withinBudget(
    { ...plan, sets: new Map([...plan.sets, [renewed.id, renewed]]) },
    { lines: 1000, sets: 5 },
  );
  expect([...first.sets.keys()]).toEqual([stays]);
  expect(second.sets).toEqual(new Map([[stays, renewed]]));
});

test("rules look no further than a change: of a policy that stays none is read again", () => {
  let reads = 0;
  const watched = {
    ...policy("np/a/watched", { rules: 1 }),
    get ingress() {
      reads++;
      return [ruleOf("allow")];
    },
  };
  withinBudget(planWith(watched, policy("np/a/other", { rules: 1 })));
  const before = reads;
  withinBudget(planWith(watched, policy("np/a/other", { rules: 2 })));
  // `planWith` reads them too.
  expect(reads - before).toBe(1);
});

test("a closed policy denies, and nothing that was denied is let through", { timeout: 60_000 }, () => {
  let closed = 0;
  let denied = 0;
  fc.assert(
    fc.property(plans, fc.double({ min: 0, max: 1, noNaN: true }), (drawn, share) => {
      const plan = planOf(drawn, "np");
      const lines = [...plan.policies.values()].reduce((sum, one) => sum + costOf(one).lines, 0);
      const fitting = withinBudget(plan, { lines: Math.floor(share * lines), sets: 2 });
      closed += closedIn(fitting).length;
      const [before, after] = [plan, fitting].map((one) => render(one, defaultRenderOptions));
      for (const packet of before === undefined || after === undefined ? [] : packets) {
        const [was, is] = [before, after].map((state) => state && forwarded(state, packet, "eth0").verdict);
        if (was !== is) denied++;
        expect([was, is]).not.toEqual(["drop", "accept"]);
      }
      const { policies } = fitting;
      const [first] = [...fitting.endpoints.values()].flatMap(({ ingress }) => ingress.tiers[0]?.policies ?? []);
      const head = first && policies.get(first);
      if (after === undefined || head === undefined || !isClosed(head) || head.staged || head.ingress.length === 0)
        return;
      for (const packet of packets) expect(forwarded(after, packet, "eth0").verdict).toBe("drop");
    }),
    { numRuns: 200 },
  );
  process.stdout.write(`${closed} policies closed; ${denied} packets denied by it\n`);
  expect(closed).toBeGreaterThan(100);
  expect(denied).toBeGreaterThan(100);
});

test("a closed Kubernetes policy isolates, and leaves what others allow", () => {
  const [evil, good] = [policy("knp/a/evil", { rules: 9 }), policyOf("knp/a/good" as PolicyId, { ingress: [tcp] })];
  const ingress = {
    tiers: [{ name: "default", policies: [evil.id, good.id], endAction: "deny" }],
    profile: "allow",
  } as const;
  const endpoint = {
    hostInterface: "cali1",
    addresses,
    state: "open",
    ingress,
    egress: { tiers: [], profile: "allow" },
  } as const;
  const plan = { ...planWith(evil, good), endpoints: new Map([["cali1", endpoint]]) };
  const verdicts = (one: NodePlan) =>
    [6, 17].map((protocol) => forwarded(render(one, defaultRenderOptions), { ...packetOf(protocol) }, "eth0").verdict);
  expect(verdicts(plan)).toEqual(["accept", "accept"]);
  expect(verdicts(withinBudget(plan, { lines: 20, sets: 0 }))).toEqual(["accept", "drop"]);
});

// --- internal ---

const tcp = ruleOf("allow", { protocol: 6 });

interface PolicyDraft {
  readonly rules?: number;
  readonly sets?: readonly SetId[];
  readonly said?: Partial<PolicyPlan>;
}

/** A policy that allows by so many rules, and from each of the sets. */
function policy(id: string, { rules = 0, sets = [], said = {} }: PolicyDraft): PolicyPlan {
  const plain: readonly RulePlan[] = Array.from({ length: rules }, () => ruleOf("allow"));
  return policyOf(id as PolicyId, {
    ingress: [...plain, ...sets.map((set) => ruleOf("allow", { source: { sets: [set] } }))],
    ...said,
  });
}

function ids(count: number, prefix = "s:set"): readonly SetId[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}` as SetId);
}

function setOf(id: SetId): SetPlan {
  return { kind: "addresses", id, members: new Set() };
}

/** No endpoint, the policies, and the sets that they name. */
function planWith(...policies: readonly PolicyPlan[]): NodePlan {
  const names = policies.flatMap(({ ingress }) => ingress.flatMap(({ source }) => source.sets ?? []));
  return {
    ...smallPlan,
    endpoints: new Map(),
    policies: new Map(policies.map((one) => [one.id, one])),
    sets: new Map(names.map((id) => [id, setOf(id)])),
  };
}

function closedIn({ policies }: NodePlan): readonly string[] {
  return [...policies.values()]
    .filter(isClosed)
    .map(({ id }) => id)
    .sort();
}

function only({ policies }: NodePlan): PolicyPlan {
  const [one] = policies.values();
  if (one === undefined) throw new Error("Cannot tell the only policy: there is none");
  return one;
}

function packetOf(protocol: number): Packet {
  const [source, destination] = [parseIp("10.0.0.1"), parseIp("10.0.0.2")];
  return { source, destination, protocol, sourcePort: 2, destinationPort: 31, state: "NEW" };
}

const packets: readonly Packet[] = addresses
  .filter((ip) => !ip.includes(":"))
  .flatMap((source) => [6, 17, 132, 47].map((protocol) => ({ ...packetOf(protocol), source })));

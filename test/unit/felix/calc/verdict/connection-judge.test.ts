import { expect, test } from "vitest";
import type { NodePlan, PolicyId, RulePlan, SetId } from "../../../../../src/felix/calc/plan.ts";
import { ConnectionJudge } from "../../../../../src/felix/calc/verdict/connection-judge.ts";
import { isMember } from "../../../../../src/felix/calc/verdict/set-membership.ts";
import { movedAddresses, touchedAddresses } from "../../../../../src/felix/calc/verdict/touched-endpoints.ts";
import { parseIp } from "../../../../../src/net/ip.ts";
import { policyOf, ruleOf, smallPlan } from "../../small-plan.ts";

const [first, second] = ["gnp/first", "gnp/second"] as [PolicyId, PolicyId];
const web = { hostInterface: "caliweb", addresses: [parseIp("10.0.0.1")], state: "open" } as const;
const connection = { source: parseIp("10.9.0.1"), destination: parseIp("10.0.0.1"), protocol: 6 } as const;
const open = { tiers: [], profile: "allow" } as const;

function planOf(one: readonly RulePlan[], other: readonly RulePlan[]): NodePlan {
  const tiers = [
    { name: "early", policies: [first], endAction: "pass" },
    { name: "default", policies: [second], endAction: "deny" },
  ] as const;
  return {
    ...smallPlan,
    endpoints: new Map([["caliweb", { ...web, ingress: { tiers, profile: "allow" }, egress: open }]]),
    policies: new Map([
      [first, policyOf(first, { ingress: one })],
      [second, policyOf(second, { ingress: other })],
    ]),
  };
}

test("it says who forbids", () => {
  const by = (one: readonly RulePlan[], other: readonly RulePlan[]) =>
    new ConnectionJudge(planOf(one, other), () => false).forbiddenBy(connection);
  const who = { hostInterface: "caliweb", direction: "ingress" };
  expect(by([ruleOf("deny")], [])).toEqual({ ...who, by: { kind: "policy", policy: first } });
  expect(by([ruleOf("pass"), ruleOf("deny")], [ruleOf("deny")])).toEqual({
    ...who,
    by: { kind: "policy", policy: second },
  });
  expect(by([], [])).toEqual({ ...who, by: { kind: "end of tier", tier: "default" } });
  expect(by([ruleOf("log"), ruleOf("allow")], [])).toBeUndefined();
  expect(by([], [ruleOf("allow", { http: { methods: ["GET"], paths: [] } })])).toMatchObject({
    by: { kind: "end of tier" },
  });
});

test("what the node itself sends is not judged", () => {
  const judge = new ConnectionJudge(planOf([ruleOf("deny")], []), (ip) => ip === connection.source);
  expect(judge.judges(connection)).toBe(false);
  expect(judge.forbiddenBy(connection)).toBeUndefined();
});

test("a set holds the addresses of its networks, of every length", () => {
  const members = new Set(["10.1.0.0/16", "10.2.3.0/24", "10.2.3.128/25", "10.3.0.1", "fd00::/64", "fd01::1"]);
  const holds = (ip: string) => isMember(members, parseIp(ip));
  expect(["10.1.255.255", "10.2.3.4", "10.2.3.200", "10.3.0.1", "fd00::ffff", "fd01::1"].map(holds)).toEqual(
    Array(6).fill(true),
  );
  expect(["10.2.2.255", "10.3.0.2", "fd00:0:0:1::", "fd01::2", "11.1.0.0"].map(holds)).toEqual(Array(5).fill(false));
  expect(isMember(new Set(["0.0.0.0/0"]), parseIp("203.0.113.9"))).toBe(true);
  expect(isMember(new Set(["0.0.0.0/0"]), parseIp("fd00::9"))).toBe(false);
});

test("endpoints are touched by their own policies and these policies' sets alone", () => {
  const set = "s:AbCdEfGhIjKlMnOpQrStUvW" as SetId;
  const before = planOf([ruleOf("deny", { source: { sets: [set] } })], []);
  expect(touchedAddresses(before, before)).toEqual([]);
  expect(touchedAddresses(before, { ...before, sets: new Map(before.sets) })).toEqual([]);
  const others = new Map([...before.policies, ["gnp/other" as PolicyId, policyOf("gnp/other" as PolicyId)] as const]);
  expect(touchedAddresses(before, { ...before, policies: others })).toEqual([]);
  const members = new Set([parseIp("10.9.0.1")]);
  const sets = new Map([...before.sets, [set, { kind: "addresses", id: set, members }] as const]);
  expect(touchedAddresses(before, { ...before, sets })).toEqual(web.addresses);
  expect(touchedAddresses(before, planOf([], []))).toEqual(web.addresses);
});

test("an address that another interface has now has moved", () => {
  const { endpoints } = planOf([], []);
  const elsewhere = new Map([["caliother", { ...web, hostInterface: "caliother", ingress: open, egress: open }]]);
  expect(movedAddresses(endpoints, elsewhere)).toEqual(web.addresses);
  expect(movedAddresses(endpoints, endpoints)).toEqual([]);
  expect(movedAddresses(endpoints, new Map(endpoints))).toEqual([]);
  expect(movedAddresses(new Map(), elsewhere)).toEqual([]);
});

test("of two that had one address, that which stays takes over the connections of that which goes", () => {
  const { endpoints } = planOf([], []);
  const other = { ...web, hostInterface: "caliother", ingress: open, egress: open };
  const both = new Map([...endpoints, ["caliother", other]]);
  expect(movedAddresses(both, endpoints)).toEqual(web.addresses);
  expect(movedAddresses(both, new Map(both))).toEqual([]);
  // One that comes with an address that another still has takes it over as well.
  expect(movedAddresses(endpoints, both)).toEqual(web.addresses);
  expect(movedAddresses(both, new Map([["caliother", other]]))).toEqual([]);
});

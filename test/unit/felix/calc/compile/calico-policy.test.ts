import { expect, test } from "vitest";
import type { GlobalPolicySpec } from "../../../../../src/api/policy-rule.ts";
import { compilePolicy } from "../../../../../src/felix/calc/compile/compile-policy.ts";
import { compiled, entity, global, namespaced, rule } from "./policies.ts";

const both = { ingress: true, egress: true };
const ingress = [rule()];
const egress = [rule({ action: "Deny" })];

test("a NetworkPolicy is for its namespace", () => {
  const spec = { tier: "security", order: 12.5, selector: "a == 'b' || c == 'd'", ingress, egress };
  const policy = compiled("calicoNetworkPolicy", namespaced(spec));
  const facts = { id: "np/shop/p", tier: "security", order: 12.5, sortName: "p/shop/NetworkPolicy", namespace: "shop" };
  expect(policy).toMatchObject({ ...facts, applies: both, stage: "normal", applyOnForward: false });
  expect(policy.plan).toEqual({
    id: "np/shop/p",
    revision: { uid: "u", generation: 3 },
    tier: "security",
    selector: '((a == "b" || c == "d") && projectcalico.org/namespace == "shop")',
    staged: false,
    ingress: [{ action: "allow", origin: 0, source: {}, destination: {} }],
    egress: [{ action: "deny", origin: 0, source: {}, destination: {} }],
    problems: [],
  });
});

test("a GlobalNetworkPolicy is for everything, and last when it has no order", () => {
  const policy = compiled("globalNetworkPolicy", global({ ingress }));
  const facts = {
    id: "gnp/p",
    order: Number.POSITIVE_INFINITY,
    sortName: "p//GlobalNetworkPolicy",
    namespace: undefined,
  };
  expect(policy).toMatchObject({ ...facts, stage: "normal", applyOnForward: false });
  expect(policy.plan).toMatchObject({ selector: "all()", revision: { uid: "u", generation: 3 } });
});

test.for<[string, string]>([
  ["", 'projectcalico.org/namespace == "shop"'],
  ["all()", '(pcsa.role == "x" && projectcalico.org/namespace == "shop")'],
  ["has(pcsa.y)", '(has(pcsa.y) && pcsa.role == "x" && projectcalico.org/namespace == "shop")'],
])("a namespaced policy by service accounts and %j", ([selector, text]) => {
  const serviceAccountSelector = selector === "" ? "" : "role == 'x'";
  const policy = namespaced({ selector, serviceAccountSelector });
  expect(compiled("calicoNetworkPolicy", policy).plan.selector).toBe(text);
});

const hasNamespace = "has(projectcalico.org/namespace)";
const hasAccount = "has(projectcalico.org/serviceaccount)";

test.for<[Partial<GlobalPolicySpec>, string]>([
  [{ selector: "!has(a)" }, "!has(a)"],
  [{ namespaceSelector: "env in {'b', 'a'}" }, 'pcns.env in {"a", "b"}'],
  [{ namespaceSelector: "all()" }, hasNamespace],
  [{ namespaceSelector: "!(all() && has(x))" }, `!(has(pcns.x) && ${hasNamespace})`],
  [{ selector: "all()", namespaceSelector: "has(x)" }, `(has(pcns.x) && ${hasNamespace})`],
  [{ selector: "all()" }, "all()"],
  [{ serviceAccountSelector: "all()" }, hasAccount],
  [{ selector: "all()", serviceAccountSelector: "x != 'y'" }, `(${hasAccount} && pcsa.x != "y")`],
  [
    { selector: "a == 'b'", namespaceSelector: "all()", serviceAccountSelector: "all()" },
    `(a == "b" && ${hasNamespace} && ${hasAccount})`,
  ],
])("a global policy with %j", ([spec, text]) => {
  expect(compiled("globalNetworkPolicy", global(spec)).plan.selector).toBe(text);
});

test("the selectors of one policy are not taken for another's", () => {
  const texts = [
    compiled("globalNetworkPolicy", global({ selector: "has(a)" })),
    compiled("globalNetworkPolicy", global({ namespaceSelector: "has(a)" })),
    compiled("globalNetworkPolicy", global({ serviceAccountSelector: "has(a)" })),
    compiled("calicoNetworkPolicy", namespaced({ selector: "has(a)" })),
    compiled("calicoNetworkPolicy", namespaced({ serviceAccountSelector: "has(a)" })),
  ].map(({ plan }) => plan.selector);
  expect(new Set(texts).size).toBe(texts.length);
});

test("rules of a direction that the policy is not about do not count", () => {
  const { plan, applies } = compiled("globalNetworkPolicy", global({ types: ["Egress"], ingress, egress }));
  expect(applies).toEqual({ ingress: false, egress: true });
  expect([plan.ingress.length, plan.egress.length]).toEqual([0, 1]);
});

test.for<[Partial<GlobalPolicySpec>, object]>([
  [{ applyOnForward: true }, { stage: "normal", applyOnForward: true, applies: both }],
  [
    { doNotTrack: true, applyOnForward: true },
    { stage: "untracked", applyOnForward: false, applies: both },
  ],
  [
    { preDNAT: true, applyOnForward: true },
    { stage: "preDnat", applyOnForward: false, applies: { ingress: true, egress: false }, plan: { egress: [] } },
  ],
])("the stage of a policy with %j", ([flags, expected]) => {
  expect(compiled("globalNetworkPolicy", global({ ...flags, ingress, egress }))).toMatchObject(expected);
});

test("staged policies are compiled only to be set", () => {
  const [one, other] = [namespaced({ ingress }), global({ ingress, applyOnForward: true })];
  for (const stagedAction of ["Delete", "Learn", "Ignore"] as const) {
    expect(compilePolicy("stagedNetworkPolicy", { ...one, spec: { ...one.spec, stagedAction } })).toBeUndefined();
    const staged = { ...other, spec: { ...other.spec, stagedAction } };
    expect(compilePolicy("stagedGlobalNetworkPolicy", staged)).toBeUndefined();
  }
  const snp = compiled("stagedNetworkPolicy", { ...one, spec: { ...one.spec, stagedAction: "Set" } });
  expect(snp.sortName).toBe("p/shop/StagedNetworkPolicy");
  expect(snp.plan).toEqual({ ...compiled("calicoNetworkPolicy", one).plan, id: "snp/shop/p", staged: true });
  const sgnp = compiled("stagedGlobalNetworkPolicy", { ...other, spec: { ...other.spec, stagedAction: "Set" } });
  expect(sgnp).toMatchObject({ sortName: "p//StagedGlobalNetworkPolicy", applyOnForward: true });
  expect(sgnp.plan).toEqual({ ...compiled("globalNetworkPolicy", other).plan, id: "sgnp/p", staged: true });
});

test("rules that allow requests are in the plan, and what they allow not yet", () => {
  const http = { methods: ["GET"], paths: [{ prefix: "/api" }] };
  const spec = { ingress: [rule(), rule({ http, protocol: 6 })], egress: [rule({ destination: entity() })] };
  const { plan } = compiled("calicoNetworkPolicy", namespaced(spec));
  expect(plan.ingress.map((one) => one.http)).toEqual([undefined, http]);
  const problem = "The rule spec.ingress[1] allows nothing: no program on this node can look into HTTP requests";
  expect(plan.problems).toEqual([problem]);
  const unread = compiled("calicoNetworkPolicy", namespaced({ ...spec, types: ["Egress"] }));
  expect(unread.plan.problems).toEqual([]);
});

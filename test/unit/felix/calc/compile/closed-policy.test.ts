import { expect, test } from "vitest";
import { parseSelector } from "../../../../../src/api/selector/parse-selector.ts";
import type { PolicyKind, Rejected, RejectedScope } from "../../../../../src/api/snapshot.ts";
import { compilePolicy } from "../../../../../src/felix/calc/compile/compile-policy.ts";
import { policyKinds } from "../../../../../src/felix/calc/policy-kinds.ts";
import { cluster, compiled, global, kube, namespaced } from "./policies.ts";

const denyAll = [{ action: "deny", origin: 0, source: {}, destination: {} }];
const inShop = 'projectcalico.org/namespace == "shop"';
const isPod = 'projectcalico.org/orchestrator == "k8s"';

test("a Kubernetes NetworkPolicy allows nothing to the pods of its namespace, and denies nothing", () => {
  const { plan, ...policy } = compiled("networkPolicy", rejected("shop"));
  expect(policy).toMatchObject({ id: "knp/shop/p", tier: "default", order: 1000, namespace: "shop", applies: both });
  expect(plan).toEqual({
    id: "knp/shop/p",
    revision: { uid: "u", generation: 3 },
    tier: "default",
    selector: `(${inShop} && ${isPod})`,
    staged: false,
    ingress: [],
    egress: [],
    problems: ["It cannot be read, so it allows nothing: it has no spec"],
  });
});

test.for<[PolicyKind, string, object, string]>([
  ["calicoNetworkPolicy", "shop", { id: "np/shop/p", namespace: "shop", tier: "default", order: Infinity }, inShop],
  ["globalNetworkPolicy", "", { id: "gnp/p", namespace: undefined, tier: "default", order: Infinity }, "all()"],
  ["clusterNetworkPolicy", "", { id: "kcnp/p", namespace: undefined, tier: "kube-admin", order: 0 }, isPod],
])("%s denies everything both ways", ([kind, namespace, facts, selector]) => {
  const { plan, ...policy } = compiled(kind, rejected(namespace));
  expect(policy).toMatchObject({ ...facts, applies: both, stage: "normal" });
  expect(policy.applyOnForward).toBe(kind === "globalNetworkPolicy");
  expect(plan).toMatchObject({ selector, staged: false, ingress: denyAll, egress: denyAll });
});

test.for<[PolicyKind, string, string]>([
  ["calicoNetworkPolicy", "shop", `(app == "web" && ${inShop})`],
  ["globalNetworkPolicy", "", 'app == "web"'],
  ["clusterNetworkPolicy", "", `(app == "web" && ${isPod})`],
  ["networkPolicy", "shop", `(app == "web" && ${inShop} && ${isPod})`],
])("what could be read of %s counts", ([kind, namespace, text]) => {
  const scope = { tier: "security", order: 5, selector: parseSelector("app == 'web'") };
  const { tier, order, plan } = compiled(kind, rejected(namespace, scope));
  expect([tier, plan.tier, order, plan.selector]).toEqual(["security", "security", 5, text]);
});

test("staged policies that cannot be read do nothing", () => {
  for (const { kind, short } of policyKinds) {
    expect(compilePolicy(kind, rejected("shop")) === undefined, kind).toBe(short.startsWith("s"));
  }
});

test("what cannot be compiled is closed where it stands", () => {
  const broken = { tier: "security", order: 5, selector: "a ==" };
  for (const policy of [
    compiled("calicoNetworkPolicy", namespaced(broken)),
    compiled("globalNetworkPolicy", global(broken)),
  ]) {
    expect(policy).toMatchObject({ tier: "security", order: 5, applies: both });
    expect(policy.plan).toMatchObject({ ingress: denyAll, egress: denyAll, revision: { uid: "u", generation: 3 } });
    expect(policy.plan.problems.join()).toContain('Cannot read the selector "a =="');
  }
  expect(
    compilePolicy("stagedNetworkPolicy", {
      ...namespaced(),
      spec: { ...namespaced(broken).spec, stagedAction: "Set" },
    }),
  ).toBeUndefined();
});

test("labels that no selector can write close a policy", () => {
  const unwritable = { matchLabels: { app: `"'` }, matchExpressions: [] };
  const subject = { kind: "pods", namespaceSelector: unwritable, podSelector: undefined } as const;
  const ofCluster = compiled("clusterNetworkPolicy", cluster({ tier: "Baseline", subject }));
  expect(ofCluster).toMatchObject({ tier: "kube-baseline", order: 7, plan: { ingress: denyAll, selector: isPod } });
  const ofKube = compiled("networkPolicy", { ...kube([], []), podSelector: unwritable });
  expect(ofKube).toMatchObject({ id: "knp/shop/p", order: 1000, applies: both, plan: { ingress: [] } });
});

// --- internal ---

const both = { ingress: true, egress: true };

function rejected(namespace: string, scope: RejectedScope = {}): Rejected {
  return { rejected: "it has no spec", namespace, name: "p", revision: { uid: "u", generation: 3 }, scope };
}

import { expect, test } from "vitest";
import type { GlobalNetworkPolicy } from "../../../../src/api/global-network-policy.ts";
import type { KubeNetworkPolicy } from "../../../../src/api/objects.ts";
import { namespaceOfPolicy, PolicyTable, policyRef } from "../../../../src/felix/calc/policy-table.ts";

test("a name tells kind and namespace", () => {
  const names = [policyRef("networkPolicy", "shop/p"), policyRef("calicoNetworkPolicy", "shop/p")];
  const global = policyRef("globalNetworkPolicy", "p");
  expect(new Set([...names, global]).size).toBe(3);
  expect([...names, global].map(namespaceOfPolicy)).toEqual(["shop", "shop", ""]);
});

test("what an endpoint could have: its namespace's policies, and the global ones whose label it has", () => {
  const table = new PolicyTable();
  const near = policyRef("networkPolicy", "shop/p");
  table.set(near, kube("shop"));
  table.set(policyRef("networkPolicy", "other/p"), kube("other"));
  const [web, any, team] = ["web", "any", "team"].map((name) => policyRef("globalNetworkPolicy", name));
  for (const [ref, selector] of [
    [web, "app == 'web'"],
    [any, "app != 'web'"],
    [team, "projectcalico.org/orchestrator == 'k8s' && pcns.team in {'a', 'b'}"],
  ] as const) {
    if (ref !== undefined) table.set(ref, global(selector));
  }
  const k8s = { "projectcalico.org/orchestrator": "k8s" };
  const of = (namespace: string | undefined, labels: Record<string, string>) =>
    new Set(table.candidates(namespace, { ...k8s, ...labels }));
  expect(of("shop", { app: "db" })).toEqual(new Set([near, any]));
  expect(of(undefined, { app: "web" })).toEqual(new Set([web, any]));
  expect(of("none", { "pcns.team": "b", constructor: "x" })).toEqual(new Set([any, team]));
});

test("a global policy that is edited is found by what it says now, and not at all once it is gone", () => {
  const table = new PolicyTable();
  const ref = policyRef("globalNetworkPolicy", "p");
  const found = (app: string) => [...table.candidates(undefined, { app })];
  table.set(ref, global("app == 'a'"));
  expect([found("a"), found("b")]).toEqual([[ref], []]);
  table.set(ref, global("app == 'b'"));
  expect([found("a"), found("b")]).toEqual([[], [ref]]);
  table.set(ref, undefined);
  expect([found("a"), found("b")]).toEqual([[], []]);
});

test("one is compiled when somebody asks, once, and again when it was forgotten", () => {
  const table = new PolicyTable();
  const ref = policyRef("networkPolicy", "shop/p");
  let reads = 0;
  const watched = { ...kube("shop") };
  Object.defineProperty(watched, "ingress", {
    get: () => {
      reads++;
      return [];
    },
  });
  table.set(ref, watched);
  expect([...table.candidates("shop", {})]).toEqual([ref]);
  expect(reads).toBe(0);
  const first = table.get(ref);
  const readsOnce = reads;
  expect(readsOnce).toBeGreaterThan(0);
  expect(table.get(ref)).toBe(first);
  expect(reads).toBe(readsOnce);
  table.forget("shop");
  expect(table.get(ref)).toStrictEqual(first);
  expect(reads).toBe(2 * readsOnce);
});

test("written anew with the same words it has not changed, once it is known what they say", () => {
  const table = new PolicyTable();
  const ref = policyRef("networkPolicy", "shop/p");
  expect(table.set(ref, undefined)).toBe(false);
  expect(table.set(ref, kube("shop"))).toBe(true);
  table.get(ref);
  expect(table.set(ref, structuredClone(kube("shop")))).toBe(false);
  expect(table.set(ref, { ...kube("shop"), types: ["Egress"] })).toBe(true);
  expect(table.get(ref)?.applies).toEqual({ ingress: false, egress: true });
  expect(table.set(ref, undefined)).toBe(true);
  expect(table.get(ref)).toBeUndefined();
  expect([...table.candidates("shop", {})]).toEqual([]);
});

// --- internal ---

function kube(namespace: string): KubeNetworkPolicy {
  return {
    ...{ namespace, name: "p", revision: { uid: "u", generation: 1 }, types: ["Ingress"], ingress: [], egress: [] },
    podSelector: { matchLabels: {}, matchExpressions: [] },
  };
}

function global(selector: string): GlobalNetworkPolicy {
  return {
    metadata: { name: "p", labels: {}, annotations: {} },
    spec: {
      ...{ tier: "default", selector, serviceAccountSelector: "", namespaceSelector: "", types: ["Ingress"] },
      ...{ ingress: [], egress: [], doNotTrack: false, preDNAT: false, applyOnForward: false },
    },
  };
}

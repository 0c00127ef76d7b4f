import { expect, test } from "vitest";
import type { GlobalNetworkPolicy } from "../../../../src/api/global-network-policy.ts";
import type { KubeNetworkPolicy } from "../../../../src/api/objects.ts";
import { EndpointPolicies } from "../../../../src/felix/calc/endpoint-policies.ts";
import { type PolicyRef, PolicyTable, policyRef } from "../../../../src/felix/calc/policy-table.ts";
import { TierTable } from "../../../../src/felix/calc/tier-table.ts";

const inShop = policyRef("networkPolicy", "shop/p");
const global = policyRef("globalNetworkPolicy", "g");
/** The labels of a pod that has none of its own. */
const k8s = { "projectcalico.org/orchestrator": "k8s", "projectcalico.org/namespace": "shop" };

test("an endpoint that is relabelled has what selects it now", () => {
  const { endpoints, write } = world();
  write(inShop, kube({ app: "web" }));
  endpoints.setEndpoint("cali1", { namespace: "shop", labels: { ...k8s, app: "web" } });
  expect(changesOf(endpoints)).toEqual(["cali1"]);
  expect(endpoints.of("cali1").map(({ ref }) => ref)).toEqual([inShop]);
  endpoints.setEndpoint("cali1", { namespace: "shop", labels: { ...k8s, app: "db" } });
  expect(changesOf(endpoints)).toEqual(["cali1"]);
  expect(endpoints.of("cali1")).toEqual([]);
  endpoints.setEndpoint("cali1", { namespace: "shop", labels: { ...k8s, app: "db" } });
  expect(changesOf(endpoints)).toEqual([]);
  endpoints.setEndpoint("cali1", undefined);
  expect(changesOf(endpoints)).toEqual(["cali1"]);
});

test("an edit concerns the endpoints that it selected and selects, and no others", () => {
  const { endpoints, write } = world();
  for (const app of ["a", "b", "c"]) endpoints.setEndpoint(app, { namespace: "shop", labels: { app } });
  write(global, globalPolicy("app == 'a'"));
  expect(changesOf(endpoints)).toEqual(["a", "b", "c"]);
  write(global, globalPolicy("app == 'b'"));
  expect(changesOf(endpoints)).toEqual(["a", "b"]);
  write(global, globalPolicy("app in {'b', 'c'}"));
  expect(changesOf(endpoints)).toEqual(["c"]);
  write(global, undefined);
  expect(changesOf(endpoints)).toEqual(["b", "c"]);
});

test("an edit of the rules alone concerns no endpoint, and the endpoint has the policy as it is now", () => {
  const { endpoints, write } = world();
  endpoints.setEndpoint("cali1", { namespace: "shop", labels: k8s });
  write(inShop, kube({}));
  changesOf(endpoints);
  write(inShop, { ...kube({}), ingress: [{ peers: [], ports: [] }] });
  expect(changesOf(endpoints)).toEqual([]);
  expect(endpoints.of("cali1").map(({ policy }) => policy.plan.ingress.length)).toEqual([1]);
});

test("a policy of a namespace that has no endpoint here is not even read", () => {
  const { endpoints, write } = world();
  endpoints.setEndpoint("cali1", { namespace: "shop", labels: k8s });
  const elsewhere = policyRef("networkPolicy", "office/p");
  const unreadable = new Proxy(kube({}), {
    get: (_, property) => {
      throw new Error(`Cannot leave ${String(property)} alone: it was read`);
    },
  });
  write(elsewhere, unreadable);
  expect(changesOf(endpoints)).toEqual(["cali1"]);
  write(elsewhere, unreadable);
  expect(changesOf(endpoints)).toEqual([]);
  expect(() => {
    endpoints.setEndpoint("cali2", { namespace: "office", labels: k8s });
    changesOf(endpoints);
  }).toThrow("it was read");
});

test("what was compiled goes with the last endpoint that it was compiled for", () => {
  const { endpoints, policies, write } = world();
  write(inShop, kube({}));
  const subject = { namespace: "shop", labels: k8s };
  for (const name of ["cali1", "cali2"]) endpoints.setEndpoint(name, subject);
  changesOf(endpoints);
  const compiled = policies.get(inShop);
  endpoints.setEndpoint("cali1", undefined);
  expect(policies.get(inShop)).toBe(compiled);
  endpoints.setEndpoint("cali2", undefined);
  expect(policies.get(inShop)).not.toBe(compiled);
});

test("a tier concerns the endpoints that have a policy of it", () => {
  const { endpoints, write } = world();
  for (const app of ["a", "b"]) endpoints.setEndpoint(app, { namespace: undefined, labels: { app } });
  write(global, globalPolicy("app == 'a'"));
  changesOf(endpoints);
  endpoints.tierChanged("default");
  expect(changesOf(endpoints)).toEqual(["a"]);
  endpoints.tierChanged("other");
  expect(changesOf(endpoints)).toEqual([]);
});

// --- internal ---

function world() {
  const policies = new PolicyTable();
  const endpoints = new EndpointPolicies(policies, new TierTable());
  const write = (ref: PolicyRef, policy: KubeNetworkPolicy | GlobalNetworkPolicy | undefined) => {
    if (policies.set(ref, policy)) endpoints.policyChanged(ref);
  };
  return { endpoints, policies, write };
}

function changesOf(endpoints: EndpointPolicies): readonly string[] {
  return [...endpoints.takeChanged()].sort();
}

function kube(matchLabels: Readonly<Record<string, string>>): KubeNetworkPolicy {
  return {
    ...{ namespace: "shop", name: "p", revision: { uid: "u", generation: 1 } },
    ...{ podSelector: { matchLabels, matchExpressions: [] }, types: ["Ingress"], ingress: [], egress: [] },
  };
}

function globalPolicy(selector: string): GlobalNetworkPolicy {
  return {
    metadata: { name: "g", labels: {}, annotations: {} },
    spec: {
      ...{ tier: "default", selector, serviceAccountSelector: "", namespaceSelector: "", types: ["Ingress"] },
      ...{ ingress: [], egress: [], doNotTrack: false, preDNAT: false, applyOnForward: false },
    },
  };
}

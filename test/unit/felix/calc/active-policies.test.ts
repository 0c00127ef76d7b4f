import { expect, test } from "vitest";
import { type NodeName, namespacedName } from "../../../../src/api/names.ts";
import type { KubeNetworkPolicy } from "../../../../src/api/objects.ts";
import { ActivePolicies } from "../../../../src/felix/calc/active-policies.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { AttachmentTable } from "../../../../src/felix/calc/attachment-table.ts";
import type { PolicyId } from "../../../../src/felix/calc/plan.ts";
import { PodAddresses } from "../../../../src/felix/calc/pod-addresses.ts";
import { PodTable } from "../../../../src/felix/calc/pod-table.ts";
import { PolicyTable } from "../../../../src/felix/calc/policy-table.ts";
import { SetIndex } from "../../../../src/felix/calc/set-index.ts";

const key = namespacedName("shop", "p");
const id = "knp/shop/p" as PolicyId;
const policy: KubeNetworkPolicy = {
  namespace: "shop",
  name: "p",
  podSelector: { matchLabels: { app: "web" }, matchExpressions: [] },
  types: ["Ingress"],
  ingress: [{ peers: [{ kind: "pods", podSelector: { matchLabels: {}, matchExpressions: [] } }], ports: [] }],
  egress: [],
};

test("a policy that only selects other pods keeps its rules, the same object", () => {
  const { policies, active } = activeWith(policy);
  const before = active.plans();
  policies.set(key, { ...policy, podSelector: { matchLabels: {}, matchExpressions: [] } });
  active.policyChanged(key);
  expect(active.plans()).toBe(before);
});

test("its sets are in use as long as its rules name them", () => {
  const { policies, active, sets } = activeWith(policy);
  active.plans();
  expect(sets.plans().size).toBe(1);
  policies.set(key, { ...policy, ingress: [] });
  active.policyChanged(key);
  expect(active.plans().get(id)?.ingress).toEqual([]);
  expect(sets.plans().size).toBe(0);
});

test("a policy that no endpoint uses any more is gone, and so are its sets", () => {
  const { policies, active, sets } = activeWith(policy);
  active.plans();
  active.endpointChanged("cali1", policies.in("shop"), []);
  expect(active.plans().size).toBe(0);
  expect(sets.plans().size).toBe(0);
});

// --- internal ---

const node = "node-1" as NodeName;

/** The policy as one endpoint uses it. */
function activeWith(one: KubeNetworkPolicy) {
  const policies = new PolicyTable();
  const sources = { node, pods: new PodTable(), attachments: new AttachmentTable(), holders: new AddressHolders() };
  const sets = new SetIndex(sources.pods, new PodAddresses(sources));
  const active = new ActivePolicies(policies, sets);
  policies.set(key, one);
  active.endpointChanged("cali1", [], policies.in("shop"));
  return { policies, active, sets };
}

import { expect, test } from "vitest";
import type { NodeName } from "../../../../src/api/names.ts";
import type { KubeNetworkPolicy } from "../../../../src/api/objects.ts";
import { ActivePolicies } from "../../../../src/felix/calc/active-policies.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { AttachmentTable } from "../../../../src/felix/calc/attachment-table.ts";
import type { SetSource } from "../../../../src/felix/calc/compiled-policy.ts";
import type { PolicyId } from "../../../../src/felix/calc/plan.ts";
import { PodAddresses } from "../../../../src/felix/calc/pod-addresses.ts";
import { PodTable } from "../../../../src/felix/calc/pod-table.ts";
import { PolicyTable, policyRef } from "../../../../src/felix/calc/policy-table.ts";
import { SetIndex } from "../../../../src/felix/calc/set-index.ts";

const ref = policyRef("networkPolicy", "shop/p");
const id = "knp/shop/p" as PolicyId;
const policy: KubeNetworkPolicy = {
  namespace: "shop",
  name: "p",
  revision: { uid: "u", generation: 1 },
  podSelector: { matchLabels: { app: "web" }, matchExpressions: [] },
  types: ["Ingress"],
  ingress: [{ peers: [{ kind: "pods", podSelector: { matchLabels: {}, matchExpressions: [] } }], ports: [] }],
  egress: [],
};

test("a policy that is written anew and says the same is the same object", () => {
  const { policies, active } = activeWith(policy);
  const before = active.plans();
  policies.set(ref, { ...policy, types: ["Ingress", "Ingress"] });
  active.policyChanged(ref);
  expect(active.plans()).toBe(before);
});

test("its sets are in use as long as its rules name them", () => {
  const { policies, active, sets } = activeWith(policy);
  active.plans();
  expect(sets.plans().size).toBe(1);
  policies.set(ref, { ...policy, ingress: [] });
  active.policyChanged(ref);
  expect(active.plans().get(id)?.ingress).toEqual([]);
  expect(sets.plans().size).toBe(0);
});

test("a policy that no endpoint uses any more is gone, and so are its sets", () => {
  const { active, sets } = activeWith(policy);
  active.endpointUses("cali2", new Set([ref]));
  active.plans();
  active.endpointUses("cali1", new Set());
  expect([active.plans().size, sets.plans().size]).toEqual([1, 1]);
  active.endpointUses("cali2", new Set());
  expect([active.plans().size, sets.plans().size]).toEqual([0, 0]);
});

test("a set that an edited policy names as before stays in use meanwhile, and is not worked out anew", () => {
  const { policies, active, sets } = activeWith(policy);
  active.plans();
  policies.set(ref, { ...policy, ingress: [...policy.ingress, ...policy.ingress] });
  active.policyChanged(ref);
  expect(active.plans().get(id)?.ingress).toHaveLength(2);
  expect(sets.calls).toEqual(["use", "use", "release"]);
});

// --- internal ---

const node = "node-1" as NodeName;

class WatchedSets extends SetIndex {
  readonly calls: string[] = [];

  override use(source: SetSource): void {
    this.calls.push("use");
    super.use(source);
  }

  override release(source: SetSource): void {
    this.calls.push("release");
    super.release(source);
  }
}

/** The policy as one endpoint uses it. */
function activeWith(one: KubeNetworkPolicy) {
  const policies = new PolicyTable();
  const sources = { node, pods: new PodTable(), attachments: new AttachmentTable(), holders: new AddressHolders() };
  const sets = new WatchedSets(sources.pods, new PodAddresses(sources));
  const active = new ActivePolicies(policies, sets);
  policies.set(ref, one);
  active.endpointUses("cali1", new Set([ref]));
  return { policies, active, sets };
}

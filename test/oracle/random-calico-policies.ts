/** Random policies of `projectcalico.org/v3`, enforced and staged, and tiers. */
import fc from "fast-check";
import type { CalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import type { GlobalPolicySpec, PolicySpec, StagedAction } from "../../src/api/policy-rule.ts";
import type { Rejected } from "../../src/api/snapshot.ts";
import type { StagedGlobalNetworkPolicy, StagedNetworkPolicy } from "../../src/api/staged-network-policy.ts";
import type { Tier } from "../../src/api/tier.ts";
import { calicoRule } from "./random-calico-rule.ts";
import { policyName } from "./random-kubernetes-policies.ts";
import { accountSelector, endpointSelector, namespaceNames, namespaceSelector, seldom } from "./random-labels.ts";
import { rejected } from "./random-rejected.ts";

/** Whatever tiers there are, policies may name others. */
export const tier: fc.Arbitrary<Tier> = fc
  .record({
    name: fc.constantFrom("first", "second"),
    order: fc.constantFrom(undefined, 100, 100, 2_000_000, 20_000_000),
    defaultAction: fc.constantFrom("Deny" as const, "Pass" as const),
  })
  .map(({ name, ...spec }) => ({ metadata: { name, labels: {}, annotations: {} }, spec }));

/** A NetworkPolicy, or in its place what could not be read. */
export const networkPolicy: fc.Arbitrary<CalicoNetworkPolicy | Rejected> = namespacedName((namespace, name) =>
  fc.oneof(
    { weight: 12, arbitrary: policySpec.map((spec) => ({ metadata: metadata(name, namespace), spec })) },
    rejected({ namespace, name }, { tiers: ["first", "default"], orders: [1, 10] }),
  ),
);

/** A GlobalNetworkPolicy, or in its place what could not be read. */
export const globalPolicy: fc.Arbitrary<GlobalNetworkPolicy | Rejected> = policyName.chain((name) =>
  fc.oneof(
    { weight: 16, arbitrary: globalSpec.map((spec) => ({ metadata: metadata(name), spec })) },
    rejected({ namespace: "", name }, { tiers: ["first", "default"], orders: [1, 10] }),
  ),
);

/** A StagedNetworkPolicy, or in its place what could not be read. */
export const stagedPolicy: fc.Arbitrary<StagedNetworkPolicy | Rejected> = namespacedName((namespace, name) =>
  fc.oneof(
    { weight: 12, arbitrary: staged(policySpec).map((spec) => ({ metadata: metadata(name, namespace), spec })) },
    rejected({ namespace, name }, { tiers: ["first"], orders: [1] }),
  ),
);

/** A StagedGlobalNetworkPolicy, or in its place what could not be read. */
export const stagedGlobalPolicy: fc.Arbitrary<StagedGlobalNetworkPolicy | Rejected> = policyName.chain((name) =>
  fc.oneof(
    { weight: 12, arbitrary: staged(globalSpec).map((spec) => ({ metadata: metadata(name), spec })) },
    rejected({ namespace: "", name }, { tiers: ["first"], orders: [1] }),
  ),
);

// --- internal ---

function namespacedName<T>(make: (namespace: string, name: string) => fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.tuple(fc.constantFrom(...namespaceNames), policyName).chain(([namespace, name]) => make(namespace, name));
}

function metadata(name: string, namespace?: string) {
  const own = { name, uid: "uid", generation: 1, labels: {}, annotations: {} };
  return namespace === undefined ? own : { ...own, namespace };
}

const common = {
  tier: fc.constantFrom("default", "default", "default", "first", "first", "second", "never-made", "kube-baseline"),
  order: fc.constantFrom(undefined, 1, 1, 10, 1000, 1000.5),
  selector: endpointSelector,
  serviceAccountSelector: seldom(accountSelector, 12).map((text) => text ?? ""),
};

const rules = (direction: "ingress" | "egress") => fc.array(calicoRule(direction), { maxLength: 4, size: "max" });
const types = fc.subarray(["Ingress", "Egress"] as const, { minLength: 1 });

const policySpec: fc.Arbitrary<PolicySpec> = fc.record({
  ...common,
  types,
  ingress: rules("ingress"),
  egress: rules("egress"),
});

const globalSpec: fc.Arbitrary<GlobalPolicySpec> = fc
  .constantFrom("normal", "normal", "forward", "forward", "doNotTrack", "preDNAT")
  .chain((stage) =>
    fc
      .record({
        ...common,
        // Only nodes have policy at the other stages.
        selector:
          stage === "normal" ? endpointSelector : fc.constantFrom("all()", "has(role)", "!has(role)", "app != 'a'"),
        types,
        ingress: rules("ingress"),
        egress: rules("egress"),
        namespaceSelector: seldom(namespaceSelector, stage === "normal" ? 5 : 20).map((text) => text ?? ""),
      })
      .map((spec) => ({
        ...spec,
        ...(stage === "preDNAT" ? { types: ["Ingress" as const], egress: [] } : {}),
        doNotTrack: stage === "doNotTrack",
        preDNAT: stage === "preDNAT",
        applyOnForward: stage !== "normal",
      })),
  );

function staged<Spec>(spec: fc.Arbitrary<Spec>): fc.Arbitrary<Spec & { readonly stagedAction: StagedAction }> {
  return fc
    .tuple(spec, fc.constantFrom<StagedAction>("Set", "Set", "Set", "Delete", "Learn", "Ignore"))
    .map(([one, stagedAction]) => ({ ...one, stagedAction }));
}

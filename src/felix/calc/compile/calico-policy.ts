import type { CalicoNetworkPolicy } from "../../../api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../../api/global-network-policy.ts";
import type { PolicyRule, PolicySpec } from "../../../api/policy-rule.ts";
import type { Resource } from "../../../api/resource.ts";
import type { PolicyKind } from "../../../api/snapshot.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import type { RulePlan } from "../plan.ts";
import { type AppliesTo, globalAppliesTo, namespacedAppliesTo, workloadsOnly } from "./applies-to.ts";
import { calicoRule } from "./calico-rule.ts";
import { policyIdentity } from "./policy-identity.ts";
import { collectSets } from "./set-sources.ts";
import { unenforced } from "./unenforced.ts";

/** A NetworkPolicy of `projectcalico.org/v3`. It selects by its namespace's label, so that no host endpoint has it. */
export function namespacedPolicy(
  kind: "calicoNetworkPolicy" | "stagedNetworkPolicy",
  policy: CalicoNetworkPolicy,
): CompiledPolicy {
  const namespace = policy.metadata.namespace ?? "";
  const scope = { appliesTo: namespacedAppliesTo(policy.spec, namespace), namespace };
  return { ...calicoPolicy(kind, policy, scope), stage: "normal", applyOnForward: false };
}

/** A GlobalNetworkPolicy. One that is for untracked packets, or for those before DNAT, is at that stage alone. */
export function globalPolicy(
  kind: "globalNetworkPolicy" | "stagedGlobalNetworkPolicy",
  policy: GlobalNetworkPolicy,
): CompiledPolicy {
  const { spec } = policy;
  const stage = spec.doNotTrack ? "untracked" : spec.preDNAT ? "preDnat" : "normal";
  // There is no way out before DNAT.
  const types = stage === "preDnat" ? spec.types.filter((type) => type === "Ingress") : spec.types;
  const scope = { appliesTo: globalAppliesTo(spec), namespace: undefined };
  const common = calicoPolicy(kind, { ...policy, spec: { ...spec, types } }, scope);
  return { ...common, stage, applyOnForward: stage === "normal" && spec.applyOnForward };
}

// --- internal ---

interface Scope {
  readonly appliesTo: AppliesTo;
  readonly namespace: string | undefined;
}

function calicoPolicy(
  kind: PolicyKind,
  { metadata, spec }: Resource<PolicySpec>,
  { appliesTo, namespace }: Scope,
): Omit<CompiledPolicy, "stage" | "applyOnForward"> {
  const { sets, use } = collectSets();
  const own = workloadsOnly(appliesTo.selector) ? appliesTo.selector : undefined;
  const applies = { ingress: spec.types.includes("Ingress"), egress: spec.types.includes("Egress") };
  const { id, sortName } = policyIdentity(kind, metadata);
  const { tier, order = Number.POSITIVE_INFINITY } = spec;
  const plan = {
    id,
    revision: { uid: metadata.uid ?? "", generation: metadata.generation ?? 0 },
    tier,
    selector: appliesTo.text,
    staged: kind === "stagedNetworkPolicy" || kind === "stagedGlobalNetworkPolicy",
    ingress: rulesOf("ingress", spec.ingress),
    egress: rulesOf("egress", spec.egress),
    problems: unenforced(spec),
  };
  return { id, tier, order, sortName, namespace, appliesTo: appliesTo.selector, applies, plan, sets };

  function rulesOf(direction: "ingress" | "egress", rules: readonly PolicyRule[]): readonly RulePlan[] {
    if (!applies[direction]) return [];
    return rules.flatMap((rule, origin) => calicoRule(rule, origin, { direction, namespace, own, use }));
  }
}

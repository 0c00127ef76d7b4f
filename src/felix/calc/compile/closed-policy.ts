import { namespaceLabel } from "../../../api/label-names.ts";
import type { PolicyKind, Rejected } from "../../../api/snapshot.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import type { RulePlan } from "../plan.ts";
import { type AppliesTo, appliesToAll, podsAppliesTo } from "./applies-to.ts";
import { kubeOrder } from "./kube-order.ts";
import { policyIdentity } from "./policy-identity.ts";

/**
 * What stands for a policy that cannot be read: it has whatever the policy may have selected, both ways, and denies
 * everything where the policy may have stood. A Kubernetes NetworkPolicy can but allow, so in its place nothing is allowed,
 * and what others allow is. Undefined where the policy would not have been enforced anyway.
 */
export function closedPolicy(kind: PolicyKind, rejected: Rejected): CompiledPolicy | undefined {
  if (!(kind in places)) return undefined;
  const { tier, order, rules } = places[kind as ClosedKind];
  const { namespace, revision, scope } = rejected;
  const { selector: appliesTo, text } = appliesToOf(kind as ClosedKind, rejected);
  const { id, sortName } = policyIdentity(kind, rejected);
  return {
    id,
    tier: scope.tier ?? tier,
    order: scope.order ?? order,
    sortName,
    namespace: namespace === "" ? undefined : namespace,
    appliesTo,
    applies: { ingress: true, egress: true },
    stage: "normal",
    // Only host endpoints heed it, and what such a policy forbids may be what they forward.
    applyOnForward: kind === "globalNetworkPolicy",
    plan: {
      id,
      revision,
      tier: scope.tier ?? tier,
      selector: text,
      staged: false,
      ingress: rules,
      egress: rules,
      problems: [`It cannot be read, so it allows nothing: ${rejected.rejected}`],
    },
    sets: new Map(),
  };
}

// --- internal ---

type ClosedKind = "networkPolicy" | "clusterNetworkPolicy" | "calicoNetworkPolicy" | "globalNetworkPolicy";

interface ClosedPlace {
  readonly tier: string;
  readonly order: number;
  readonly rules: readonly RulePlan[];
}

const denyAll: readonly RulePlan[] = [{ action: "deny", origin: 0, source: {}, destination: {} }];

const places: Readonly<Record<ClosedKind, ClosedPlace>> = {
  networkPolicy: { tier: "default", order: kubeOrder, rules: [] },
  clusterNetworkPolicy: { tier: "kube-admin", order: 0, rules: denyAll },
  calicoNetworkPolicy: { tier: "default", order: Number.POSITIVE_INFINITY, rules: denyAll },
  globalNetworkPolicy: { tier: "default", order: Number.POSITIVE_INFINITY, rules: denyAll },
};

function appliesToOf(kind: ClosedKind, { namespace, scope: { selector } }: Rejected): AppliesTo {
  switch (kind) {
    case "networkPolicy":
      return podsAppliesTo(selector, namespace);
    case "clusterNetworkPolicy":
      return podsAppliesTo(selector, undefined);
    case "calicoNetworkPolicy":
      return appliesToAll([selector, { kind: "==", label: namespaceLabel, value: namespace }]);
    case "globalNetworkPolicy":
      return appliesToAll([selector]);
  }
}

import { clusterPolicyTiers } from "../../../api/built-in-tiers.ts";
import type { PolicyKind } from "../../../api/snapshot.ts";
import { isRejected, type Kinds, type Rejected } from "../../../api/snapshot.ts";
import { messageOf } from "../../../net/message-of.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import { globalPolicy, namespacedPolicy } from "./calico-policy.ts";
import { closedPolicy } from "./closed-policy.ts";
import { clusterPolicy } from "./cluster-policy.ts";
import { kubePolicy } from "./kube-policy.ts";

/**
 * One policy in the terms of the plan, from the object alone. Undefined when it does nothing: it is staged to be deleted,
 * learnt or ignored, or it is staged and cannot be read. Never throws: what cannot be compiled is closed like what cannot be
 * read, and its plan's `problems` say why.
 */
export function compilePolicy<K extends PolicyKind>(kind: K, value: Kinds[K]["value"]): CompiledPolicy | undefined {
  if (isRejected(value)) return closedPolicy(kind, value);
  try {
    return compilers[kind](value as Readable<K>);
  } catch (error) {
    return closedPolicy(kind, rejectedBy(messageOf(error), value as Readable<K>));
  }
}

// --- internal ---

type Readable<K extends PolicyKind> = Exclude<Kinds[K]["value"], Rejected>;

const compilers: { readonly [K in PolicyKind]: (policy: Readable<K>) => CompiledPolicy | undefined } = {
  networkPolicy: (policy) => kubePolicy("networkPolicy", policy),
  clusterNetworkPolicy: clusterPolicy,
  calicoNetworkPolicy: (policy) => namespacedPolicy("calicoNetworkPolicy", policy),
  globalNetworkPolicy: (policy) => globalPolicy("globalNetworkPolicy", policy),
  stagedNetworkPolicy: (policy) =>
    policy.spec.stagedAction === "Set" ? namespacedPolicy("stagedNetworkPolicy", policy) : undefined,
  stagedGlobalNetworkPolicy: (policy) =>
    policy.spec.stagedAction === "Set" ? globalPolicy("stagedGlobalNetworkPolicy", policy) : undefined,
  stagedKubernetesNetworkPolicy: (policy) =>
    policy.stagedAction === "Set" ? kubePolicy("stagedKubernetesNetworkPolicy", policy) : undefined,
};

/** Where it stands may be told, whom it selects may be what could not be compiled. */
function rejectedBy(reason: string, policy: Readable<PolicyKind>): Rejected {
  if ("metadata" in policy) {
    const { metadata, spec } = policy;
    const { name, namespace = "", uid = "", generation = 0 } = metadata;
    const scope = { tier: spec.tier, ...(spec.order !== undefined && { order: spec.order }) };
    return { rejected: reason, namespace, name, revision: { uid, generation }, scope };
  }
  const { name, revision } = policy;
  if ("namespace" in policy) return { rejected: reason, namespace: policy.namespace, name, revision, scope: {} };
  const scope = { tier: clusterPolicyTiers[policy.tier], order: policy.priority };
  return { rejected: reason, namespace: "", name, revision, scope };
}

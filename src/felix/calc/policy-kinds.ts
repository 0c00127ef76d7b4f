import type { PolicyKind } from "../../api/snapshot.ts";

/** What a kind of policy is called where kinds must be told apart, the same as upstream. */
export interface PolicyKindNames {
  readonly kind: PolicyKind;
  /** What its policies' ids begin with. */
  readonly short: string;
  /** What policies of equal order and name are put in order by. */
  readonly full: string;
}

/** Every kind of policy. */
export const policyKinds: readonly PolicyKindNames[] = [
  { kind: "calicoNetworkPolicy", short: "np", full: "NetworkPolicy" },
  { kind: "globalNetworkPolicy", short: "gnp", full: "GlobalNetworkPolicy" },
  { kind: "stagedNetworkPolicy", short: "snp", full: "StagedNetworkPolicy" },
  { kind: "stagedGlobalNetworkPolicy", short: "sgnp", full: "StagedGlobalNetworkPolicy" },
  { kind: "networkPolicy", short: "knp", full: "KubernetesNetworkPolicy" },
  { kind: "stagedKubernetesNetworkPolicy", short: "sknp", full: "StagedKubernetesNetworkPolicy" },
  { kind: "clusterNetworkPolicy", short: "kcnp", full: "KubernetesClusterNetworkPolicy" },
];

/** The tiers that are always there, as upstream has them: whatever an object says, their order and default action are these. */
export const builtInTiers: ReadonlyMap<string, { readonly order: number; readonly defaultAction: "Deny" | "Pass" }> =
  new Map([
    ["kube-admin", { order: 1_000, defaultAction: "Pass" }],
    ["default", { order: 1_000_000, defaultAction: "Deny" }],
    ["kube-baseline", { order: 10_000_000, defaultAction: "Pass" }],
  ]);

/** Where the policies of each of ClusterNetworkPolicy's own two tiers stand. */
export const clusterPolicyTiers = { Admin: "kube-admin", Baseline: "kube-baseline" } as const;

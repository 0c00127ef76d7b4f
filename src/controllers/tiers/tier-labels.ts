import { tierLabel } from "../../api/label-names.ts";
import { isRejected, type Snapshot } from "../../api/snapshot.ts";

/** The kinds whose objects name a tier. */
export const tieredPolicyKinds = [
  "calicoNetworkPolicy",
  "globalNetworkPolicy",
  "stagedNetworkPolicy",
  "stagedGlobalNetworkPolicy",
] as const;

/** A policy whose label does not name its tier. */
export interface UnlabelledPolicy {
  readonly kind: (typeof tieredPolicyKinds)[number];
  readonly namespace: string | undefined;
  readonly name: string;
  readonly tier: string;
}

/** Those of the snapshot. One that cannot be read, or is being deleted, is left as it is. */
export function unlabelledPolicies(snapshot: Pick<Snapshot, UnlabelledPolicy["kind"]>): readonly UnlabelledPolicy[] {
  return tieredPolicyKinds.flatMap((kind) =>
    [...snapshot[kind].values()].flatMap((policy) => {
      if (isRejected(policy) || policy.metadata.deletionTimestamp !== undefined) return [];
      const { namespace, name, labels } = policy.metadata;
      const { tier } = policy.spec;
      return labels[tierLabel] === tier ? [] : [{ kind, namespace, name, tier }];
    }),
  );
}

/** What `ipam check` compares. */
import type { BlockAffinity } from "../api/block-affinity.ts";
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import { type NamespacedName, namespacedName } from "../api/names.ts";
import type { Pod } from "../api/objects.ts";

/**
 * All records and all that may use addresses. Nothing is locked meanwhile, so the blocks are read before and after
 * everything else: only what stands in both alike was so while the rest was read.
 */
export interface ClusterState {
  /** The UID of the namespace kube-system, which is made once in a cluster's life. */
  readonly clusterId: string;
  readonly before: readonly IpamBlock[];
  readonly after: readonly IpamBlock[];
  readonly handles: readonly IpamHandle[];
  readonly affinities: readonly BlockAffinity[];
  readonly pools: readonly IpPool[];
  /** Also those that cannot be read, without addresses. */
  readonly pods: ReadonlyMap<NamespacedName, Pod>;
  readonly nodes: ReadonlySet<string>;
  /** Records that cannot be read: they are missing in the lists. */
  readonly unreadable: readonly { readonly kind: string; readonly key: string; readonly reason: string }[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** The pods that hold addresses of their own, now or as soon as they are reported. */
export function podsWithAddresses({ pods }: ClusterState): readonly Pod[] {
  return [...pods.values()].filter(({ hostNetwork, finished }) => !hostNetwork && !finished);
}

/** The key of a pod among all. */
export function podKey({ namespace, name }: Pick<Pod, "namespace" | "name">): NamespacedName {
  return namespacedName(namespace, name);
}

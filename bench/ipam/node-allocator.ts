import type { IpPool } from "../../src/api/ip-pool.ts";
import type { Node } from "../../src/api/objects.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import type { AssignRequest } from "../../src/ipam/ipam.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";

/** A node's allocator without an agent: pools and its node are known, records are read from the API server. */
export function nodeAllocator(client: KubeClient, node: Node, pool: IpPool): Allocator {
  const store = new KubeIpamStore({
    client,
    // Everything here was written by the benchmark itself.
    onRejected: ({ kind, key, reason }) => {
      throw new Error(`Cannot go on: ${kind} ${key} cannot be read: ${reason}`);
    },
    pools: () => [pool],
    reservations: () => [],
    configuration: () => ({ value: undefined }),
    node: () => node,
  });
  return new Allocator({ store, node: node.name, clock: systemClock });
}

/** One IPv4 address for the container of a pod, with what the plugin keeps beside it. */
export function requestOf(node: Node, container: string): AssignRequest {
  const attributes = {
    node: node.name,
    namespace: "default",
    pod: container,
    timestamp: "2026-01-01 00:00:00 +0000 UTC",
  };
  return { handle: `k8s-pod-network.${container}`, v4: 1, v6: 0, attributes };
}

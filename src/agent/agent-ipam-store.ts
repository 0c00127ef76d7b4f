import type { KubeClient } from "../kube/client.ts";
import { KubeIpamStore } from "../kube/ipam-store.ts";
import type { Logger } from "./logger.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

/** The records of address management, as the agent has them: read from the watch cache once everything is in it. */
export function agentIpamStore({
  client,
  snapshot,
  isReady,
  logger,
}: {
  readonly client: KubeClient;
  readonly snapshot: SnapshotStore;
  readonly isReady: () => boolean;
  readonly logger: Pick<Logger, "error">;
}): KubeIpamStore {
  return new KubeIpamStore({
    client,
    onRejected: (report) => logger.error(report, "cannot read an object of address management: it is set aside"),
    pools: () => (isReady() ? snapshot.list("ipPool") : undefined),
    reservations: () => (isReady() ? snapshot.list("ipReservation") : undefined),
    blocks: () => (isReady() ? snapshot.list("ipamBlock") : undefined),
    configuration: () => (isReady() ? { value: snapshot.snapshot.ipamConfiguration.get("default") } : undefined),
    node: (name) => snapshot.snapshot.node.get(name),
  });
}

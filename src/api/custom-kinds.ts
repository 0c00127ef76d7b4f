import { bgpPeer } from "./bgp-peer.ts";
import { blockAffinity } from "./block-affinity.ts";
import type { CustomKind } from "./custom-kind.ts";
import { ipPool } from "./ip-pool.ts";
import { ipReservation } from "./ip-reservation.ts";
import { ipamBlock } from "./ipam-block.ts";
import { ipamConfiguration } from "./ipam-configuration.ts";
import { ipamHandle } from "./ipam-handle.ts";
import { kubeControllersConfiguration } from "./kube-controllers-configuration.ts";

/** API group and version of every custom kind. */
export const customGroup = "projectcalico.org";
/** The version of `customGroup` that all of them have. */
export const customVersion = "v3";

/** Every kind that we bring to the API server. All are cluster-scoped. */
export const customKinds: readonly CustomKind[] = [
  bgpPeer,
  blockAffinity,
  ipamBlock,
  ipamConfiguration,
  ipamHandle,
  ipPool,
  ipReservation,
  kubeControllersConfiguration,
];

import type { BgpPeer } from "./bgp-peer.ts";
import type { BlockAffinity } from "./block-affinity.ts";
import type { IpPool } from "./ip-pool.ts";
import type { IpReservation } from "./ip-reservation.ts";
import type { IpamBlock } from "./ipam-block.ts";
import type { IpamConfiguration } from "./ipam-configuration.ts";
import type { IpamHandle } from "./ipam-handle.ts";
import type { KubeControllersConfiguration } from "./kube-controllers-configuration.ts";
import type { NamespacedName, NodeName } from "./names.ts";
import type { Attachment, AttachmentKey, KubeNetworkPolicy, Lease, Namespace, Node, Pod } from "./objects.ts";

/** The key and the value of every kind that agents and controllers work on. A key is the object's name, or `namespace/name`. */
export interface Kinds {
  readonly pod: { readonly key: NamespacedName; readonly value: Pod };
  readonly namespace: { readonly key: string; readonly value: Namespace };
  readonly node: { readonly key: NodeName; readonly value: Node };
  readonly networkPolicy: { readonly key: NamespacedName; readonly value: KubeNetworkPolicy | Rejected };
  readonly ipPool: { readonly key: string; readonly value: IpPool };
  readonly ipamBlock: { readonly key: string; readonly value: IpamBlock };
  readonly ipReservation: { readonly key: string; readonly value: IpReservation };
  readonly ipamConfiguration: { readonly key: string; readonly value: IpamConfiguration };
  readonly blockAffinity: { readonly key: string; readonly value: BlockAffinity };
  readonly ipamHandle: { readonly key: string; readonly value: IpamHandle };
  readonly kubeControllersConfiguration: { readonly key: string; readonly value: KubeControllersConfiguration };
  readonly lease: { readonly key: NamespacedName; readonly value: Lease };
  readonly bgpPeer: { readonly key: string; readonly value: BgpPeer };
  readonly attachment: { readonly key: AttachmentKey; readonly value: Attachment };
}

/** The name of such a kind. */
export type KindName = keyof Kinds;

/** An object that could not be read. Policy code treats it as denying what it may have selected. */
export interface Rejected {
  readonly rejected: string;
  readonly namespace: string;
  readonly name: string;
}

/** True for what stands in place of a policy that could not be read. */
export function isRejected(value: object): value is Rejected {
  return "rejected" in value;
}

/** Everything one process decides from, at one moment; a kind that it does not follow is empty. */
export type Snapshot = { readonly [K in KindName]: ReadonlyMap<Kinds[K]["key"], Kinds[K]["value"]> };

/** One object came, changed (`value` is the whole new object) or went (`value` is undefined). */
export type Change = {
  readonly [K in KindName]: {
    readonly kind: K;
    readonly key: Kinds[K]["key"];
    readonly value: Kinds[K]["value"] | undefined;
  };
}[KindName];

/** A snapshot of nothing, in maps of its own. */
export function emptySnapshot(): Snapshot {
  return {
    pod: new Map(),
    namespace: new Map(),
    node: new Map(),
    networkPolicy: new Map(),
    ipPool: new Map(),
    ipamBlock: new Map(),
    ipReservation: new Map(),
    ipamConfiguration: new Map(),
    blockAffinity: new Map(),
    ipamHandle: new Map(),
    kubeControllersConfiguration: new Map(),
    lease: new Map(),
    bgpPeer: new Map(),
    attachment: new Map(),
  };
}

import type { IpamBlock } from "../../api/ipam-block.ts";
import { type NamespacedName, type NodeName, splitName } from "../../api/names.ts";
import { addressesOfNode } from "../../api/node-addresses.ts";
import type { Attachment, AttachmentKey, Namespace, ServiceAccount } from "../../api/objects.ts";
import type { Change, KindName, Kinds, PolicyKind } from "../../api/snapshot.ts";
import { AddressHolders } from "./address-holders.ts";
import { AddressUnion } from "./address-union.ts";
import { AttachmentTable } from "./attachment-table.ts";
import { BgpNeighbours } from "./bgp-neighbours.ts";
import { HostEndpointTable } from "./host-endpoint-table.ts";
import { LocalEndpoints } from "./local-endpoints.ts";
import type { NodePlan } from "./plan.ts";
import { PodAddresses } from "./pod-addresses.ts";
import { PodTable } from "./pod-table.ts";
import { policyKinds } from "./policy-kinds.ts";
import { PolicyTable, policyRef } from "./policy-table.ts";
import { PoolPlans } from "./pool-plans.ts";
import { same } from "./same.ts";
import { SetIndex } from "./set-index.ts";
import { TierTable } from "./tier-table.ts";

/**
 * Works out one node's plan from changes. The plan depends on the state they lead to alone, never on their order or
 * grouping, and a change costs what it touches on this node, not the size of the cluster.
 *
 *   attachment ⨝ pod ⨝ namespace ─┐
 *   host endpoint ⨝ interface ────┴▶ endpoints ⨝ policies ⨝ tiers ─▶ policies in use ─▶ sets in use ⨝ owners ─▶ members
 */
export class NodeCalculator {
  readonly #pods = new PodTable();
  readonly #policies = new PolicyTable();
  readonly #tiers = new TierTable();
  readonly #attachments = new AttachmentTable();
  readonly #holders = new AddressHolders();
  readonly #hostEndpoints: HostEndpointTable;
  readonly #sets: SetIndex;
  readonly #endpoints: LocalEndpoints;
  readonly #pools = new PoolPlans();
  readonly #neighbours = new BgpNeighbours();
  readonly #hosts = new AddressUnion();
  readonly #takes = this.#takers();
  #plan: NodePlan | undefined;

  constructor(node: NodeName) {
    const local = { node, pods: this.#pods, attachments: this.#attachments };
    this.#hostEndpoints = new HostEndpointTable(node);
    this.#sets = new SetIndex(this.#pods, new PodAddresses({ ...local, holders: this.#holders }));
    this.#endpoints = new LocalEndpoints({
      ...local,
      hostEndpoints: this.#hostEndpoints,
      policies: this.#policies,
      tiers: this.#tiers,
      sets: this.#sets,
      claimFacts: {
        pools: () => this.#pools.plan().pools,
        nodes: () => this.#neighbours.plan(),
        isTaken: (ip) => this.#pods.isReported(ip) || this.#holders.isTaken(ip),
      },
    });
  }

  /** Takes changes in; most of the work is done when the plan is asked for. A change of a kind that no plan is made from is none. */
  apply(changes: readonly Change[]): void {
    for (const { kind, key, value } of changes) {
      const take = this.#takes[kind] as ((key: string, value: unknown) => void) | undefined;
      take?.(key, value);
    }
  }

  /** The plan of the present state. Whatever says the same as in the last plan is the same object, up to the plan itself. */
  plan(): NodePlan {
    const local = this.#endpoints.plans();
    const next = {
      ...{ ...local, sets: this.#sets.plans(), ...this.#pools.plan() },
      ...{ bgpNeighbours: this.#neighbours.plan(), hosts: this.#hosts.plan() },
    };
    const before = this.#plan;
    const isUnchanged = Object.entries(next).every(([part, value]) => before?.[part as keyof NodePlan] === value);
    if (before === undefined || !isUnchanged) this.#plan = next;
    return this.#plan ?? next;
  }

  #takers(): Takers {
    return {
      ...this.#policyTakers(),
      pod: (key, pod) => {
        this.#pods.set(key, pod);
        this.#sets.podChanged(key);
        this.#endpoints.interfacesChanged(this.#attachments.interfacesOfPod(key));
      },
      namespace: (name, namespace) => this.#takeNamespace(name, namespace),
      serviceAccount: (key, account) => this.#takeServiceAccount(key, account),
      endpointSlice: (key, slice) => this.#sets.setEndpointSlice(key, slice),
      networkSet: (key, set) => this.#sets.setNetworkSet(key, set),
      globalNetworkSet: (name, set) => this.#sets.setGlobalNetworkSet(name, set),
      hostEndpoint: (name, hostEndpoint) => {
        this.#sets.setHostEndpoint(name, hostEndpoint);
        if (this.#hostEndpoints.set(name, hostEndpoint)) this.#endpoints.hostEndpointsChanged();
      },
      hostInterface: (name, hostInterface) => {
        if (this.#hostEndpoints.setInterface(name, hostInterface)) this.#endpoints.hostEndpointsChanged();
      },
      attachment: (key, attachment) => this.#takeAttachment(key, attachment),
      tier: (name, tier) => {
        if (this.#tiers.set(name, tier)) this.#endpoints.tierChanged(name);
      },
      ipPool: (name, pool) => this.#pools.set(name, pool),
      ipamBlock: (name, block) => this.#takeBlock(name, block),
      node: (name, node) => {
        this.#neighbours.setNode(name, node);
        this.#hosts.set(name, node === undefined ? [] : addressesOfNode(node));
      },
      bgpPeer: (name, peer) => this.#neighbours.setPeer(name, peer),
    };
  }

  #policyTakers(): Takers {
    const taker = (kind: PolicyKind) => (key: string, value: Kinds[PolicyKind]["value"] | undefined) => {
      const ref = policyRef(kind, key);
      if (this.#policies.set(ref, value)) this.#endpoints.policyChanged(ref);
    };
    return Object.fromEntries(policyKinds.map(({ kind }) => [kind, taker(kind)]));
  }

  #takeAttachment(key: AttachmentKey, attachment: Attachment | undefined): void {
    for (const { hostInterface, pod } of this.#attachments.set(key, attachment)) {
      this.#endpoints.interfacesChanged([hostInterface]);
      this.#sets.podChanged(pod);
    }
  }

  #takeNamespace(name: string, namespace: Namespace | undefined): void {
    const before = this.#pods.namespace(name);
    // Every pod of the namespace is judged anew, so a change of what selectors do not see must not get that far.
    if (same(before?.labels, namespace?.labels)) return;
    this.#pods.setNamespace(name, namespace);
    this.#sets.namespaceChanged(name, before);
    this.#endpoints.interfacesChanged(this.#attachments.interfacesIn(name));
    if (this.#hostEndpoints.hasProfileOf(name)) this.#endpoints.hostEndpointsChanged();
  }

  #takeServiceAccount(key: NamespacedName, account: ServiceAccount | undefined): void {
    const [namespace, name] = splitName(key);
    const before = this.#pods.parents.serviceAccount(namespace, name);
    if (same(before?.labels, account?.labels)) return;
    this.#pods.setServiceAccount(key, account);
    this.#sets.serviceAccountChanged(key, before);
    this.#endpoints.interfacesChanged(this.#attachments.interfacesIn(namespace));
  }

  #takeBlock(key: string, block: IpamBlock | undefined): void {
    for (const ip of this.#holders.set(key, block)) {
      for (const pod of this.#pods.keysAt(ip)) this.#sets.podChanged(pod);
    }
  }
}

// --- internal ---

/** How an object of each kind is taken in that came, changed or (undefined) went. */
type Takers = {
  readonly [K in KindName]?: (key: Kinds[K]["key"], value: Kinds[K]["value"] | undefined) => void;
};

import type { IpPool } from "../../api/ip-pool.ts";
import type { IpamBlock } from "../../api/ipam-block.ts";
import { type NodeName, splitName } from "../../api/names.ts";
import type { Attachment, AttachmentKey, Namespace } from "../../api/objects.ts";
import type { Change } from "../../api/snapshot.ts";
import type { Cidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import { ActivePolicies } from "./active-policies.ts";
import { AddressHolders } from "./address-holders.ts";
import { AttachmentTable } from "./attachment-table.ts";
import { BgpNeighbours } from "./bgp-neighbours.ts";
import { type JoinedEndpoint, joinEndpoint } from "./endpoint-plan.ts";
import type { EndpointPlan, NodePlan } from "./plan.ts";
import { PodAddresses } from "./pod-addresses.ts";
import { PodTable } from "./pod-table.ts";
import { PolicyTable } from "./policy-table.ts";
import { same } from "./same.ts";
import { SetIndex } from "./set-index.ts";

/**
 * Works out one node's plan from changes. The plan depends on the state they lead to alone, never on their order or
 * grouping, and a change costs what it touches on this node, not the size of the cluster.
 *
 *   attachment ⨝ pod ─▶ endpoints ─▶ policies in use ─▶ sets in use ⨝ pods ⨝ holders ─▶ members
 */
export class NodeCalculator {
  readonly #node: NodeName;
  readonly #pods = new PodTable();
  readonly #policies = new PolicyTable();
  readonly #attachments = new AttachmentTable();
  readonly #pools = new Map<string, IpPool>();
  readonly #holders = new AddressHolders();
  readonly #neighbours = new BgpNeighbours();
  readonly #sets: SetIndex;
  readonly #active: ActivePolicies;
  readonly #joined = new Map<string, JoinedEndpoint>();
  readonly #changedInterfaces = new Set<string>();
  #poolsChanged = false;
  #plan: NodePlan = {
    endpoints: new Map(),
    policies: new Map(),
    sets: new Map(),
    masqueradedPools: [],
    pools: [],
    bgpNeighbours: this.#neighbours.plan(),
  };

  constructor(node: NodeName) {
    this.#node = node;
    const sources = { node, pods: this.#pods, attachments: this.#attachments, holders: this.#holders };
    this.#sets = new SetIndex(this.#pods, new PodAddresses(sources));
    this.#active = new ActivePolicies(this.#policies, this.#sets);
  }

  /** Takes changes in; the work is done when the plan is asked for. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) this.#take(change);
  }

  /** The plan of the present state. Whatever says the same as in the last plan is the same object, up to the plan itself. */
  plan(): NodePlan {
    const endpoints = this.#endpoints();
    const policies = this.#active.plans();
    const sets = this.#sets.plans();
    const { masqueradedPools, pools } = this.#poolsChanged ? this.#poolPlans() : this.#plan;
    this.#poolsChanged = false;
    const next = { endpoints, policies, sets, masqueradedPools, pools, bgpNeighbours: this.#neighbours.plan() };
    const changed = Object.entries(next).some(([part, value]) => this.#plan[part as keyof NodePlan] !== value);
    if (changed) this.#plan = next;
    return this.#plan;
  }

  #take(change: Change): void {
    switch (change.kind) {
      case "pod":
        this.#pods.set(change.key, change.value);
        this.#sets.podChanged(change.key);
        this.#markInterfaces(this.#attachments.interfacesOfPod(change.key));
        return;
      case "namespace":
        this.#takeNamespace(change.key, change.value);
        return;
      case "networkPolicy":
        if (!this.#policies.set(change.key, change.value)) return;
        this.#active.policyChanged(change.key);
        this.#markInterfaces(this.#attachments.interfacesIn(splitName(change.key)[0]));
        return;
      case "ipPool":
        if (change.value === undefined) this.#pools.delete(change.key);
        else this.#pools.set(change.key, change.value);
        this.#poolsChanged = true;
        return;
      case "attachment":
        this.#takeAttachment(change.key, change.value);
        return;
      case "ipamBlock":
        this.#takeBlock(change.key, change.value);
        return;
      case "node":
        this.#neighbours.setNode(change.key, change.value);
        return;
      case "bgpPeer":
        this.#neighbours.setPeer(change.key, change.value);
        return;
    }
  }

  #takeAttachment(key: AttachmentKey, attachment: Attachment | undefined): void {
    for (const { hostInterface, pod } of this.#attachments.set(key, attachment)) {
      this.#changedInterfaces.add(hostInterface);
      this.#sets.podChanged(pod);
    }
  }

  #takeNamespace(name: string, namespace: Namespace | undefined): void {
    // Every pod of the namespace is judged anew, so a change of what selectors do not see must not get that far.
    if (same(this.#pods.namespace(name)?.labels, namespace?.labels)) return;
    this.#pods.setNamespace(name, namespace);
    for (const key of this.#pods.keysIn(name)) this.#sets.podChanged(key);
    this.#markInterfaces(this.#attachments.interfacesIn(name));
  }

  #takeBlock(key: string, block: IpamBlock | undefined): void {
    for (const ip of this.#holders.set(key, block)) {
      for (const pod of this.#pods.keysAt(ip)) this.#sets.podChanged(pod);
    }
  }

  #markInterfaces(hostInterfaces: readonly string[]): void {
    for (const hostInterface of hostInterfaces) this.#changedInterfaces.add(hostInterface);
  }

  #endpoints(): ReadonlyMap<string, EndpointPlan> {
    let changed = false;
    for (const hostInterface of this.#changedInterfaces) changed = this.#rejoin(hostInterface) || changed;
    this.#changedInterfaces.clear();
    if (!changed) return this.#plan.endpoints;
    const sorted = [...this.#joined].sort(([a], [b]) => compareText(a, b));
    return new Map(sorted.map(([hostInterface, { plan }]) => [hostInterface, plan]));
  }

  #rejoin(hostInterface: string): boolean {
    const attachments = this.#attachments.onInterface(hostInterface);
    const before = this.#joined.get(hostInterface);
    const context = { node: this.#node, pods: this.#pods, policies: this.#policies };
    const joined = attachments.length === 0 ? undefined : joinEndpoint(attachments, context);
    this.#active.endpointChanged(hostInterface, before?.policies ?? [], joined?.policies ?? []);
    if (joined === undefined) return this.#joined.delete(hostInterface);
    const unchanged = before !== undefined && same(before.plan, joined.plan);
    this.#joined.set(hostInterface, unchanged ? { ...joined, plan: before.plan } : joined);
    return !unchanged;
  }

  #poolPlans(): Pick<NodePlan, "masqueradedPools" | "pools"> {
    const specs = [...this.#pools.values()].map(({ spec }) => spec);
    const next = {
      pools: sortedOnce(specs.map(({ cidr }) => cidr)),
      masqueradedPools: sortedOnce(specs.filter(({ natOutgoing }) => natOutgoing).map(({ cidr }) => cidr)),
    };
    return {
      pools: same(next.pools, this.#plan.pools) ? this.#plan.pools : next.pools,
      masqueradedPools: same(next.masqueradedPools, this.#plan.masqueradedPools)
        ? this.#plan.masqueradedPools
        : next.masqueradedPools,
    };
  }
}

// --- internal ---

function sortedOnce(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...new Set(cidrs)].sort(compareText);
}

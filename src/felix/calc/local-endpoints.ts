import { ActivePolicies } from "./active-policies.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import { endpointPlan, type JoinedEndpoint, joinEndpoint } from "./endpoint-plan.ts";
import { type AppliedPolicy, EndpointPolicies } from "./endpoint-policies.ts";
import { type ClaimFacts, FloatingClaims } from "./floating-claims.ts";
import { type AssignedHostEndpoint, assignedHostEndpoint, hostEndpointPlan } from "./host-endpoint-plan.ts";
import type { HostEndpointTable } from "./host-endpoint-table.ts";
import type { LocalPods } from "./open-pod.ts";
import type { DirectionPlan, EndpointPlan, HostEndpointPlan, NodePlan } from "./plan.ts";
import { PlanMap } from "./plan-map.ts";
import type { PolicyRef, PolicyTable } from "./policy-table.ts";
import { same } from "./same.ts";
import type { SetIndex } from "./set-index.ts";
import type { TierTable } from "./tier-table.ts";

/** What the node's endpoints are made from. */
export interface LocalSources extends LocalPods {
  readonly attachments: AttachmentTable;
  readonly hostEndpoints: HostEndpointTable;
  readonly policies: PolicyTable;
  readonly tiers: TierTable;
  readonly sets: SetIndex;
  readonly claimFacts: ClaimFacts;
}

/** The part of the plan that says who may speak with whom. */
type LocalPlans = Pick<NodePlan, "endpoints" | "hostEndpoints" | "policies">;

/** This node's endpoints, those of its workloads and its own, and the policies that they have. */
export class LocalEndpoints {
  readonly #sources: LocalSources;
  readonly #policies: EndpointPolicies;
  readonly #active: ActivePolicies;
  readonly #claims: FloatingClaims;
  readonly #joined = new Map<string, JoinedEndpoint>();
  readonly #changedInterfaces = new Set<string>();
  readonly #endpointPlans = new PlanMap<string, EndpointPlan>();
  readonly #hostPlans = new PlanMap<string, HostEndpointPlan>();
  #assigned: ReadonlyMap<string, AssignedHostEndpoint> = new Map();
  #hostsChanged = false;

  constructor(sources: LocalSources) {
    this.#sources = sources;
    this.#policies = new EndpointPolicies(sources.policies, sources.tiers);
    this.#active = new ActivePolicies(sources.policies, sources.sets);
    this.#claims = new FloatingClaims(sources.claimFacts);
  }

  /** Something that the endpoints of these workload interfaces are made from, their labels included, changed. */
  interfacesChanged(hostInterfaces: Iterable<string>): void {
    for (const hostInterface of hostInterfaces) this.#changedInterfaces.add(hostInterface);
  }

  /** Something that this node's host endpoints are made from, or which interface has which, changed. */
  hostEndpointsChanged(): void {
    this.#hostsChanged = true;
  }

  /** The policy came, changed or went. */
  policyChanged(ref: PolicyRef): void {
    this.#policies.policyChanged(ref);
    this.#active.policyChanged(ref);
  }

  /** The tier came, went, or has another place or end. */
  tierChanged(tier: string): void {
    this.#policies.tierChanged(tier);
  }

  /** What says the same as before is the same object. Brings the use of the sets up to date as it goes. */
  plans(): LocalPlans {
    const stale = new Set([...this.#changedInterfaces].filter((hostInterface) => this.#rejoin(hostInterface)));
    this.#changedInterfaces.clear();
    if (this.#hostsChanged) for (const name of this.#reassign()) stale.add(name);
    this.#hostsChanged = false;
    for (const name of this.#policies.takeChanged()) stale.add(name);
    for (const name of this.#claims.decide()) stale.add(name);
    for (const name of stale) this.#renew(name);
    const policies = this.#active.plans();
    return { endpoints: this.#endpointPlans.all(), hostEndpoints: this.#hostPlans.all(), policies };
  }

  /** True when the endpoint is another than before. */
  #rejoin(hostInterface: string): boolean {
    const attachments = this.#sources.attachments.onInterface(hostInterface);
    const joined = attachments.length === 0 ? undefined : joinEndpoint(attachments, this.#sources);
    if (same(this.#joined.get(hostInterface), joined)) return false;
    if (joined === undefined) this.#joined.delete(hostInterface);
    else this.#joined.set(hostInterface, joined);
    const open = joined?.open;
    const wanted = open?.wanted ?? [];
    const addresses = joined?.addresses ?? [];
    const claim = open === undefined || wanted.length === 0 ? undefined : { pod: open.pod, addresses, wanted };
    this.#claims.set(hostInterface, addresses, claim);
    this.#policies.setEndpoint(hostInterface, open && { namespace: open.namespace, labels: open.labels });
    return true;
  }

  /** Answers those that are others than before. */
  #reassign(): readonly string[] {
    const { hostEndpoints, pods } = this.#sources;
    const now = new Map<string, AssignedHostEndpoint>();
    for (const [interfaceName, hostEndpoint] of hostEndpoints.assignments()) {
      const assigned = assignedHostEndpoint(interfaceName, hostEndpoint, (name) => pods.namespace(name));
      now.set(hostPrefix + interfaceName, assigned);
    }
    const names = [...new Set([...this.#assigned.keys(), ...now.keys()])];
    const stale = names.filter((name) => !same(this.#assigned.get(name), now.get(name)));
    this.#assigned = now;
    for (const name of stale) {
      const assigned = now.get(name);
      this.#policies.setEndpoint(name, assigned && { namespace: undefined, labels: assigned.labels });
    }
    return stale;
  }

  #renew(name: string): void {
    const applied = this.#policies.of(name);
    const directions = name.startsWith(hostPrefix) ? this.#planHost(name, applied) : this.#planWorkload(name, applied);
    const used = new Set(directions.flatMap(({ tiers }) => tiers).flatMap(({ policies }) => policies));
    const refs = applied.filter(({ policy }) => used.has(policy.plan.id)).map(({ ref }) => ref);
    this.#active.endpointUses(name, new Set(refs));
  }

  #planWorkload(name: string, applied: readonly AppliedPolicy[]): readonly DirectionPlan[] {
    const joined = this.#joined.get(name);
    const context = { tiers: this.#sources.tiers, floating: this.#claims.of(name) };
    const plan = joined && endpointPlan(joined, applied.map(policyOf), context);
    this.#endpointPlans.set(name, plan);
    return plan === undefined ? [] : [plan.ingress, plan.egress];
  }

  #planHost(name: string, applied: readonly AppliedPolicy[]): readonly DirectionPlan[] {
    const assigned = this.#assigned.get(name);
    const plan = assigned && hostEndpointPlan(assigned, applied.map(policyOf), this.#sources.tiers);
    this.#hostPlans.set(name.slice(hostPrefix.length), plan);
    if (plan === undefined) return [];
    return [plan.preDnat, ...[plan.untracked, plan.forward, plan.normal].flatMap((one) => [one.ingress, one.egress])];
  }
}

// --- internal ---

/** Before the names of the node's own interfaces, to tell them from workloads': no interface has a slash in its name. */
const hostPrefix = "host/";

function policyOf({ policy }: AppliedPolicy) {
  return policy;
}

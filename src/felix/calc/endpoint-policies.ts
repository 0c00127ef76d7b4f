import type { Labels } from "../../api/objects.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import { compareText } from "../../net/compare-text.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { MultiMap } from "./multi-map.ts";
import { namespaceOfPolicy, type PolicyRef, type PolicyTable } from "./policy-table.ts";
import { same } from "./same.ts";
import type { TierTable } from "./tier-table.ts";

/** An endpoint of this node, as policies select it. */
export interface PolicySubject {
  /** Undefined: it belongs to the node itself, and only policies of no namespace can select it. */
  readonly namespace: string | undefined;
  readonly labels: Labels;
}

/** A policy that an endpoint has. */
export interface AppliedPolicy {
  readonly ref: PolicyRef;
  readonly policy: CompiledPolicy;
}

/**
 * Which endpoints of this node have which policies. An endpoint whose labels change is compared with the policies that
 * could select it, a policy that changes with the endpoints that it could select, and nothing else is looked at.
 */
export class EndpointPolicies {
  readonly #policies: PolicyTable;
  readonly #tiers: TierTable;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #byNamespace = new MultiMap<string, string>();
  readonly #changedPolicies = new Set<PolicyRef>();
  readonly #relabelled = new Set<string>();
  readonly #changed = new Set<string>();

  constructor(policies: PolicyTable, tiers: TierTable) {
    this.#policies = policies;
    this.#tiers = tiers;
  }

  /** The endpoint of that name came, or its labels changed; undefined: it went. */
  setEndpoint(name: string, subject: PolicySubject | undefined): void {
    const before = this.#endpoints.get(name);
    if (same(before?.subject, subject)) return;
    this.#relabelled.add(name);
    if (subject === undefined) this.#endpoints.delete(name);
    else this.#endpoints.set(name, { subject, policies: new Map() });
    const [from, to] = [before?.subject.namespace, subject?.namespace];
    if (from === to) return;
    if (to !== undefined) this.#byNamespace.add(to, name);
    if (from !== undefined && this.#byNamespace.delete(from, name)) this.#policies.forget(from);
  }

  /** The policy came, changed or went. */
  policyChanged(ref: PolicyRef): void {
    const namespace = namespaceOfPolicy(ref);
    if (namespace === "" || this.#byNamespace.has(namespace)) this.#changedPolicies.add(ref);
  }

  /** Another place, or another end. */
  tierChanged(tier: string): void {
    for (const [name, { policies }] of this.#endpoints) {
      for (const policy of policies.values()) if (policy.tier === tier) this.#changed.add(name);
    }
  }

  /** The endpoints that have other policies than when this was last asked, or the same with another place or scope. */
  takeChanged(): ReadonlySet<string> {
    for (const name of this.#relabelled) this.#matchEndpoint(name);
    for (const ref of this.#changedPolicies) this.#matchPolicy(ref);
    const changed = new Set([...this.#changed, ...this.#relabelled]);
    for (const handled of [this.#relabelled, this.#changedPolicies, this.#changed]) handled.clear();
    return changed;
  }

  /** In the order in which they are applied, as of the last `takeChanged`. */
  of(name: string): readonly AppliedPolicy[] {
    const applied = [...(this.#endpoints.get(name)?.policies ?? [])].map(([ref, policy]) => ({ ref, policy }));
    return applied.sort((a, b) => this.#compare(a.policy, b.policy));
  }

  #matchEndpoint(name: string): void {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) return;
    const { namespace, labels } = endpoint.subject;
    for (const ref of this.#policies.candidates(namespace, labels)) this.#judge(name, ref, this.#policies.get(ref));
  }

  #matchPolicy(ref: PolicyRef): void {
    const namespace = namespaceOfPolicy(ref);
    const names = namespace === "" ? this.#endpoints.keys() : this.#byNamespace.get(namespace);
    const policy = this.#policies.get(ref);
    for (const name of names) this.#judge(name, ref, policy);
  }

  #judge(name: string, ref: PolicyRef, policy: CompiledPolicy | undefined): void {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) return;
    const before = endpoint.policies.get(ref);
    const now = policy && selects(policy, endpoint.subject) ? policy : undefined;
    if (now === undefined) endpoint.policies.delete(ref);
    else endpoint.policies.set(ref, now);
    if (!sameStanding(before, now)) this.#changed.add(name);
  }

  #compare(a: CompiledPolicy, b: CompiledPolicy): number {
    if (a.tier !== b.tier) return this.#tiers.compare(a.tier, b.tier);
    if (a.order !== b.order) return a.order - b.order;
    return compareText(a.sortName, b.sortName);
  }
}

// --- internal ---

interface Endpoint {
  readonly subject: PolicySubject;
  readonly policies: Map<PolicyRef, CompiledPolicy>;
}

/** Of those of its namespace and of none. Only the node's own endpoints have stages other than the normal one. */
function selects(policy: CompiledPolicy, { namespace, labels }: PolicySubject): boolean {
  if (policy.stage !== "normal" && namespace !== undefined) return false;
  return selectorMatches(policy.appliesTo, labels);
}

/** Whether an endpoint's plan names both in the same places: a policy's rules stand elsewhere. */
function sameStanding(a: CompiledPolicy | undefined, b: CompiledPolicy | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.tier === b.tier &&
    a.order === b.order &&
    a.sortName === b.sortName &&
    a.stage === b.stage &&
    a.applyOnForward === b.applyOnForward &&
    a.applies.ingress === b.applies.ingress &&
    a.applies.egress === b.applies.egress
  );
}

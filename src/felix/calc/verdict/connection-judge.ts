import type { Ip } from "../../../net/ip.ts";
import type { DirectionPlan, EndpointPlan, NodePlan, PolicyId, PolicyPlan } from "../plan.ts";
import { ruleHolds } from "./rule-holds.ts";
import type { TrackedConnection } from "./tracked-connection.ts";

/** Who forbids a connection. */
export interface Forbidden {
  readonly hostInterface: string;
  readonly direction: "ingress" | "egress";
  /** `end of tier`: none of the tier's policies has allowed it. `closed`: the endpoint's pod is not known. */
  readonly by:
    | { readonly kind: "policy"; readonly policy: PolicyId }
    | { readonly kind: "end of tier"; readonly tier: string }
    | { readonly kind: "profile" | "closed" };
}

/**
 * Says what the policies of one plan would do with the first packet of a connection of this node's workloads: the source's
 * egress, then the destination's ingress. What a host endpoint says, and what no policy can allow (spoofing, tunnels), is not
 * asked. What the node itself sends to its workloads is never forbidden.
 */
export class ConnectionJudge {
  readonly #plan: NodePlan;
  readonly #isOwn: (ip: Ip) => boolean;
  readonly #endpoints = new Map<Ip, EndpointPlan>();

  /** `isOwn` knows every address that the node itself may send from, of all its interfaces. */
  constructor(plan: NodePlan, isOwn: (ip: Ip) => boolean) {
    this.#plan = plan;
    this.#isOwn = isOwn;
    // As routes have it: of two with one address an open one has it.
    const all = [...plan.endpoints.values()];
    const byPreference = [...all.filter(isOpen), ...all.filter((one) => !isOpen(one))];
    for (const endpoint of byPreference) {
      for (const ip of endpoint.addresses) if (!this.#endpoints.has(ip)) this.#endpoints.set(ip, endpoint);
    }
  }

  /** Whether one end of it is a workload of this plan, and so judged. */
  judges({ source, destination }: TrackedConnection): boolean {
    return this.#endpoints.has(source) || (this.#endpoints.has(destination) && !this.#isOwn(source));
  }

  /** Undefined: nobody who is asked forbids it. */
  forbiddenBy(connection: TrackedConnection): Forbidden | undefined {
    const { source, destination } = connection;
    const from = this.#endpoints.get(source);
    const byEgress = from && this.#forbids(from, "egress", connection);
    if (byEgress !== undefined) return byEgress;
    const to = from === undefined && this.#isOwn(source) ? undefined : this.#endpoints.get(destination);
    return to && this.#forbids(to, "ingress", connection);
  }

  #forbids(
    endpoint: EndpointPlan,
    direction: "ingress" | "egress",
    connection: TrackedConnection,
  ): Forbidden | undefined {
    const { hostInterface, state } = endpoint;
    if (state === "closed") return { hostInterface, direction, by: { kind: "closed" } };
    const by = this.#decide(endpoint[direction], direction, connection);
    return by && { hostInterface, direction, by };
  }

  #decide(
    { tiers, profile }: DirectionPlan,
    direction: "ingress" | "egress",
    connection: TrackedConnection,
  ): Forbidden["by"] | undefined {
    for (const { name, policies, endAction } of tiers) {
      const decision = this.#inTier(policies, direction, connection);
      if (decision === "allow") return undefined;
      if (decision === "pass") continue;
      if (decision !== undefined) return { kind: "policy", policy: decision };
      if (endAction === "deny") return { kind: "end of tier", tier: name };
    }
    return profile === "deny" ? { kind: "profile" } : undefined;
  }

  /** The policy that denies, or what one does with it; undefined when none of them decides. */
  #inTier(
    ids: readonly PolicyId[],
    direction: "ingress" | "egress",
    connection: TrackedConnection,
  ): PolicyId | "allow" | "pass" | undefined {
    for (const id of ids) {
      const policy = this.#plan.policies.get(id);
      if (policy === undefined || policy.staged) continue;
      const action = this.#firstAction(policy, direction, connection);
      if (action !== undefined) return action === "deny" ? id : action;
    }
    return undefined;
  }

  #firstAction(
    policy: PolicyPlan,
    direction: "ingress" | "egress",
    connection: TrackedConnection,
  ): "allow" | "pass" | "deny" | undefined {
    for (const rule of policy[direction]) {
      // What only some requests may do, nothing here can see: only a denial of it counts, as in the kernel.
      if (rule.action === "log" || (rule.http !== undefined && rule.action !== "deny")) continue;
      if (ruleHolds(rule, connection, this.#plan.sets)) return rule.action;
    }
    return undefined;
  }
}

// --- internal ---

function isOpen({ state }: EndpointPlan): boolean {
  return state === "open";
}

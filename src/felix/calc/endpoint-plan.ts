import type { Attachment } from "../../api/objects.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import { compareIps } from "../../net/ip.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { type LocalPods, openPodOf } from "./open-pod.ts";
import type { DirectionPlan, EndpointPlan } from "./plan.ts";
import type { PolicyTable } from "./policy-table.ts";
import { qosOf } from "./qos-plan.ts";

/** What an endpoint's plan is made from. */
export interface EndpointContext extends LocalPods {
  readonly policies: PolicyTable;
}

/** An endpoint's plan, and the policies in it. */
export interface JoinedEndpoint {
  readonly plan: EndpointPlan;
  readonly policies: readonly CompiledPolicy[];
}

/**
 * The endpoint behind one host interface. `attachments`, at least one, all name that interface; there are two while a
 * pod's sandbox is replaced, and then those whose pod is here decide, or else all.
 */
export function joinEndpoint(attachments: readonly Attachment[], context: EndpointContext): JoinedEndpoint {
  const open = attachments.filter((attachment) => openPodOf(attachment, context) !== undefined);
  const [first] = open;
  const pod = first && openPodOf(first, context);
  const deciding = first ? open : attachments;
  const addresses = [...new Set(deciding.flatMap((attachment) => attachment.addresses))].sort(compareIps);
  const hostInterface = attachments[0]?.hostInterface ?? "";
  if (pod === undefined) {
    const plan = { hostInterface, addresses, state: "closed", ingress: nothing, egress: nothing } as const;
    return { plan, policies: [] };
  }
  const policies = context.policies.in(pod.namespace).filter(({ appliesTo }) => selectorMatches(appliesTo, pod.labels));
  const profile = context.pods.namespace(pod.namespace) === undefined ? "deny" : "allow";
  const direction = (name: "ingress" | "egress") =>
    directionPlan(
      policies.filter(({ isolates }) => isolates[name]),
      profile,
    );
  const qos = qosOf(pod.annotations, first?.bandwidthPlugin);
  const plan: EndpointPlan = {
    hostInterface,
    addresses,
    state: "open",
    ingress: direction("ingress"),
    egress: direction("egress"),
    ...(qos === undefined ? {} : { qos }),
  };
  return { plan, policies: policies.filter(({ isolates }) => isolates.ingress || isolates.egress) };
}

// --- internal ---

const nothing: DirectionPlan = { tiers: [], profile: "deny" };

/** Kubernetes policies are all in the default tier, whose end denies; without one, the namespace's profile decides. */
function directionPlan(policies: readonly CompiledPolicy[], profile: DirectionPlan["profile"]): DirectionPlan {
  if (policies.length === 0) return { tiers: [], profile };
  return { tiers: [{ name: "default", policies: policies.map(({ plan }) => plan.id), endAction: "deny" }], profile };
}

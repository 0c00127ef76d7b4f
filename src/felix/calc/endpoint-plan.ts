import type { Attachment, Labels } from "../../api/objects.ts";
import { compareIps, type Ip } from "../../net/ip.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { bothDirections, noPolicies } from "./direction-plan.ts";
import { endpointLabels } from "./endpoint-labels.ts";
import { type LocalPods, openPodOf } from "./open-pod.ts";
import type { EndpointPlan, QosPlan } from "./plan.ts";
import { qosOf } from "./qos-plan.ts";
import type { TierTable } from "./tier-table.ts";

/** The endpoint behind one host interface, before any policy. */
export interface JoinedEndpoint {
  readonly hostInterface: string;
  readonly addresses: readonly Ip[];
  /** Undefined: it is closed. */
  readonly open: OpenEndpoint | undefined;
}

/**
 * `attachments`, at least one, all name the interface; there are two while a pod's sandbox is replaced, and then those
 * whose pod is here decide, or else all. Without the pod's namespace nobody knows what selects the pod: a policy that
 * denies could.
 */
export function joinEndpoint(attachments: readonly Attachment[], context: LocalPods): JoinedEndpoint {
  const here = attachments.filter((attachment) => openPodOf(attachment, context) !== undefined);
  const [first] = here;
  const deciding = first === undefined ? attachments : here;
  const addresses = [...new Set(deciding.flatMap((attachment) => attachment.addresses))].sort(compareIps);
  return { hostInterface: attachments[0]?.hostInterface ?? "", addresses, open: first && openEndpoint(first, context) };
}

/** What the endpoint is to be like with these policies, which are in the order in which they are applied. */
export function endpointPlan(
  { hostInterface, addresses, open }: JoinedEndpoint,
  policies: readonly CompiledPolicy[],
  tiers: TierTable,
): EndpointPlan {
  if (open === undefined) {
    return { hostInterface, addresses, state: "closed", ingress: noPolicies("deny"), egress: noPolicies("deny") };
  }
  // What no policy decides its namespace's profile does, and that allows.
  const directions = bothDirections(policies, tiers, { dropsAtEndOfTier: true, profile: "allow" });
  return {
    hostInterface,
    addresses,
    state: "open",
    ...directions,
    ...(open.qos === undefined ? {} : { qos: open.qos }),
  };
}

// --- internal ---

/** What is known of an endpoint once its pod is. */
interface OpenEndpoint {
  readonly namespace: string;
  readonly labels: Labels;
  readonly qos: QosPlan | undefined;
}

function openEndpoint(attachment: Attachment, context: LocalPods): OpenEndpoint | undefined {
  const pod = openPodOf(attachment, context);
  const namespace = pod && context.pods.namespace(pod.namespace);
  if (pod === undefined || namespace === undefined) return undefined;
  const labels = endpointLabels(pod, namespace, context.pods.serviceAccountOf(pod));
  return { namespace: pod.namespace, labels, qos: qosOf(pod.annotations, attachment.bandwidthPlugin) };
}

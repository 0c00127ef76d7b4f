import { endpointLabels } from "../../api/endpoint-labels.ts";
import { parseSourcePrefixes } from "../../api/kubernetes/allowed-source-prefixes.ts";
import { parseDscp } from "../../api/kubernetes/dscp.ts";
import { parseFloatingIps } from "../../api/kubernetes/floating-ips.ts";
import type { NamespacedName } from "../../api/names.ts";
import type { Attachment, Labels } from "../../api/objects.ts";
import type { Cidr } from "../../net/cidr.ts";
import { compareIps, type Ip } from "../../net/ip.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { bothDirections, noPolicies } from "./direction-plan.ts";
import type { FloatingOutcome } from "./floating-claims.ts";
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

/**
 * What the endpoint is to be like with these policies, which are in the order in which they are applied, and what became of
 * its claim of floating addresses.
 */
export function endpointPlan(
  { hostInterface, addresses, open }: JoinedEndpoint,
  policies: readonly CompiledPolicy[],
  { tiers, floating }: { readonly tiers: TierTable; readonly floating: FloatingOutcome | undefined },
): EndpointPlan {
  if (open === undefined) {
    return { hostInterface, addresses, state: "closed", ingress: noPolicies("deny"), egress: noPolicies("deny") };
  }
  // What no policy decides its namespace's profile does, and that allows.
  const directions = bothDirections(policies, tiers, { dropsAtEndOfTier: true, profile: "allow" });
  const problems = [...open.problems, ...(floating?.problems ?? [])];
  return {
    hostInterface,
    addresses,
    state: "open",
    ...directions,
    ...(open.qos === undefined ? {} : { qos: open.qos }),
    ...(floating === undefined || floating.floatingIps.length === 0 ? {} : { floatingIps: floating.floatingIps }),
    ...(open.dscp === undefined ? {} : { dscp: open.dscp }),
    ...(open.foreignSources.length === 0 ? {} : { foreignSources: open.foreignSources }),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

// --- internal ---

/** What is known of an endpoint once its pod is. */
interface OpenEndpoint {
  readonly pod: NamespacedName;
  readonly namespace: string;
  readonly labels: Labels;
  readonly qos: QosPlan | undefined;
  readonly dscp: number | undefined;
  /** The floating addresses that it asks for. */
  readonly wanted: readonly Ip[];
  /** The networks that it asks to send from. */
  readonly foreignSources: readonly Cidr[];
  /** What of these three could not be read. */
  readonly problems: readonly string[];
}

function openEndpoint(attachment: Attachment, context: LocalPods): OpenEndpoint | undefined {
  const pod = openPodOf(attachment, context);
  const namespace = pod && context.pods.namespace(pod.namespace);
  if (pod === undefined || namespace === undefined) return undefined;
  const labels = endpointLabels(pod, namespace, context.pods.serviceAccountOf(pod));
  const { dscp, problems } = parseDscp(pod.annotations);
  const floating = parseFloatingIps(pod.annotations);
  const sources = parseSourcePrefixes(pod.annotations);
  return {
    ...{ pod: attachment.pod, namespace: pod.namespace, labels },
    qos: qosOf(pod.annotations, attachment.bandwidthPlugin),
    ...{ dscp, wanted: floating.ips, foreignSources: sources.networks },
    problems: [...problems, ...floating.problems, ...sources.problems],
  };
}

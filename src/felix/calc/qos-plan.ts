import {
  kubernetesAnnotation,
  ownAnnotations,
  type ParsedBandwidth,
  parseBandwidth,
  type TrafficDirection,
} from "../../api/kubernetes/bandwidth.ts";
import type { Attachment, Labels } from "../../api/objects.ts";
import type { QosPlan } from "./plan.ts";

/**
 * What a pod's annotations ask of its interface; undefined when they say nothing of it. A direction that the CNI plugin
 * `bandwidth` shapes is left to it whole: one interface has room for one of the two.
 */
export function qosOf(annotations: Labels, plugin: Attachment["bandwidthPlugin"] | undefined): QosPlan | undefined {
  const [ingress, egress] = [parsed("ingress", annotations, plugin), parsed("egress", annotations, plugin)];
  const problems = [...ingress.problems, ...egress.problems];
  if (ingress.limit === undefined && egress.limit === undefined && problems.length === 0) return undefined;
  return {
    ...(ingress.limit === undefined ? {} : { ingress: ingress.limit }),
    ...(egress.limit === undefined ? {} : { egress: egress.limit }),
    problems,
  };
}

// --- internal ---

function parsed(
  direction: TrafficDirection,
  annotations: Labels,
  plugin: Attachment["bandwidthPlugin"] | undefined,
): ParsedBandwidth {
  const itsOwn = plugin === "always" || (plugin === "annotated" && kubernetesAnnotation(direction) in annotations);
  if (!itsOwn) return parseBandwidth(annotations, direction);
  const without = Object.values(ownAnnotations(direction)).filter((name) => name in annotations);
  return {
    limit: undefined,
    problems: without.map(
      (name) => `${name} is left out: the network's CNI plugin bandwidth shapes this pod's ${direction} traffic`,
    ),
  };
}

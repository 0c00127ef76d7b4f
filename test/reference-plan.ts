import { type BandwidthLimit, parseBandwidth, type TrafficDirection } from "../src/api/kubernetes/bandwidth.ts";
import type { NodeName } from "../src/api/names.ts";
import type { Attachment, Labels, Pod } from "../src/api/objects.ts";
import { parsePeerAddress } from "../src/api/peer-address.ts";
import { selectorMatches } from "../src/api/selector/selector-matches.ts";
import type { Snapshot } from "../src/api/snapshot.ts";
import { type CompiledPolicy, compilePolicy, type SetSource } from "../src/felix/calc/compiled-policy.ts";
import { endpointLabels } from "../src/felix/calc/endpoint-labels.ts";
import type { AddressSetPlan, DirectionPlan, EndpointPlan, NodePlan, QosPlan } from "../src/felix/calc/plan.ts";
import { cidrContainsIp, cidrSize, firstIp } from "../src/net/cidr.ts";
import { compareIps, type Ip, ipPlus } from "../src/net/ip.ts";

/** What NodeCalculator must say, worked out from the whole snapshot at once, with no index and no memory. */
export function planNode(snapshot: Snapshot, node: NodeName): NodePlan {
  const compiled = [...snapshot.networkPolicy.values()].map(compilePolicy);
  const interfaces = [...new Set([...snapshot.attachment.values()].map(({ hostInterface }) => hostInterface))].sort();
  const endpoints = interfaces.map((hostInterface) => endpointOf(snapshot, node, hostInterface, compiled));
  const usedIds = new Set(
    endpoints.flatMap(({ ingress, egress }) => [...ingress.tiers, ...egress.tiers]).flatMap(({ policies }) => policies),
  );
  const used = compiled.filter(({ plan }) => usedIds.has(plan.id));
  const sources = new Map(used.flatMap(({ sets }) => [...sets]));
  const pools = [...snapshot.ipPool.values()].map(({ spec }) => spec);
  const peers = [...snapshot.bgpPeer.values()].flatMap(({ spec }) => parsePeerAddress(spec.peerIP ?? "")?.ip ?? []);
  const neighbours = [...snapshot.node.values()].flatMap(({ internalIps }) => internalIps).concat(peers);
  return {
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.hostInterface, endpoint])),
    policies: new Map(used.map(({ plan }) => [plan.id, plan])),
    sets: new Map([...sources.values()].map((source) => [source.id, setOf(snapshot, node, source)])),
    pools: [...new Set(pools.map(({ cidr }) => cidr))].sort(),
    masqueradedPools: [...new Set(pools.filter(({ natOutgoing }) => natOutgoing).map(({ cidr }) => cidr))].sort(),
    bgpNeighbours: [...new Set(neighbours)].sort(),
  };
}

// --- internal ---

function endpointOf(
  snapshot: Snapshot,
  node: NodeName,
  hostInterface: string,
  compiled: readonly CompiledPolicy[],
): EndpointPlan {
  const attachments = [...snapshot.attachment]
    .filter(([, attachment]) => attachment.hostInterface === hostInterface)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, attachment]) => attachment);
  const open = attachments.filter((attachment) => podOf(snapshot, node, attachment) !== undefined);
  const pod = open[0] && podOf(snapshot, node, open[0]);
  const addresses = [...new Set((pod ? open : attachments).flatMap((attachment) => attachment.addresses))];
  addresses.sort(compareIps);
  if (pod === undefined) {
    const nothing: DirectionPlan = { tiers: [], profile: "deny" };
    return { hostInterface, addresses, state: "closed", ingress: nothing, egress: nothing };
  }
  const direction = (name: "ingress" | "egress"): DirectionPlan => {
    const policies = compiled
      .filter((policy) => policy.namespace === pod.namespace && policy.isolates[name])
      .filter(({ appliesTo }) => selectorMatches(appliesTo, pod.labels))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ plan }) => plan.id);
    const profile = snapshot.namespace.has(pod.namespace) ? "allow" : "deny";
    return { tiers: policies.length === 0 ? [] : [{ name: "default", policies, endAction: "deny" }], profile };
  };
  const directions = { ingress: direction("ingress"), egress: direction("egress") };
  return { hostInterface, addresses, state: "open", ...directions, ...qosOf(pod, open[0]?.bandwidthPlugin) };
}

/** Nothing when there is nothing to say. */
function qosOf({ annotations }: Pod, plugin: Attachment["bandwidthPlugin"]): { readonly qos?: QosPlan } {
  const limits: { ingress?: BandwidthLimit; egress?: BandwidthLimit } = {};
  const problems: string[] = [];
  for (const direction of ["ingress", "egress"] as const) {
    const isPlugins = { none: false, always: true, annotated: `kubernetes.io/${direction}-bandwidth` in annotations };
    if (isPlugins[plugin ?? "none"]) problems.push(...uselessBeside(direction, annotations));
    else {
      const { limit, problems: own } = parseBandwidth(annotations, direction);
      problems.push(...own);
      if (limit !== undefined) limits[direction] = limit;
    }
  }
  return problems.length + Object.keys(limits).length === 0 ? {} : { qos: { ...limits, problems } };
}

function uselessBeside(direction: TrafficDirection, annotations: Labels): readonly string[] {
  return ["Bandwidth", "Burst", "Peakrate", "Minburst"]
    .map((what) => `qos.projectcalico.org/${direction}${what}`)
    .filter((name) => name in annotations)
    .map((name) => `${name} is left out: the network's CNI plugin bandwidth shapes this pod's ${direction} traffic`);
}

function podOf(snapshot: Snapshot, node: NodeName, attachment: Attachment): Pod | undefined {
  const pod = snapshot.pod.get(attachment.pod);
  if (!pod || pod.finished || pod.hostNetwork) return undefined;
  if (attachment.podUid && pod.uid && attachment.podUid !== pod.uid) return undefined;
  if (pod.node && pod.node !== node) return undefined;
  return pod;
}

function setOf(snapshot: Snapshot, node: NodeName, { id, selector }: SetSource): AddressSetPlan {
  const members = new Set<Ip>();
  for (const pod of snapshot.pod.values()) {
    const labels = labelsOf(snapshot, pod);
    if (!labels || !selectorMatches(selector, labels)) continue;
    for (const ip of pod.ips) if (judgements(snapshot, pod, ip).every((isIts) => isIts)) members.add(ip);
    for (const ip of pod.annotatedIps) {
      // Anybody may write an annotation: a block must vouch for it.
      const blocks = judgements(snapshot, pod, ip);
      if (blocks.length > 0 && blocks.every((isIts) => isIts)) members.add(ip);
    }
    for (const attachment of snapshot.attachment.values()) {
      if (podOf(snapshot, node, attachment) === pod) for (const ip of attachment.addresses) members.add(ip);
    }
  }
  return { id, members };
}

/** For each block in which the address lies, whether it is this pod's there. */
function judgements(snapshot: Snapshot, pod: Pod, ip: Ip): readonly boolean[] {
  const blocks = [...snapshot.ipamBlock.values()]
    .map(({ spec }) => spec)
    .filter(({ cidr, allocations, deleted }) => !deleted && Number(cidrSize(cidr)) === allocations.length)
    .filter(({ cidr }) => cidrContainsIp(cidr, ip));
  return blocks.map(({ cidr, allocations, attributes }) => {
    const ordinal = allocations.findIndex((_, index) => ipPlus(firstIp(cidr), index) === ip);
    const { secondary, releasedAt } = attributes[allocations[ordinal] ?? -1] ?? {};
    return !releasedAt && secondary?.["namespace"] === pod.namespace && secondary?.["pod"] === pod.name;
  });
}

function labelsOf(snapshot: Snapshot, pod: Pod): Labels | undefined {
  const namespace = snapshot.namespace.get(pod.namespace);
  return !namespace || !pod.node || pod.finished || pod.hostNetwork ? undefined : endpointLabels(pod, namespace);
}

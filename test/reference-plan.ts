import { type BandwidthLimit, parseBandwidth, type TrafficDirection } from "../src/api/kubernetes/bandwidth.ts";
import type { NodeName } from "../src/api/names.ts";
import type { Attachment, Labels, Pod } from "../src/api/objects.ts";
import { parsePeerAddress } from "../src/api/peer-address.ts";
import { selectorMatches } from "../src/api/selector/selector-matches.ts";
import type { Snapshot } from "../src/api/snapshot.ts";
import { compilePolicy } from "../src/felix/calc/compile/compile-policy.ts";
import type { CompiledPolicy } from "../src/felix/calc/compiled-policy.ts";
import type {
  BothDirections,
  DirectionPlan,
  EndpointPlan,
  HostEndpointPlan,
  NodePlan,
  QosPlan,
  TierPlan,
} from "../src/felix/calc/plan.ts";
import { isIp, parseIp } from "../src/net/ip.ts";
import { joinedAt, wishesOf } from "./reference-annotations.ts";
import { labelsOfHostEndpoint, labelsOfPod } from "./reference-labels.ts";
import { setOf } from "./reference-sets.ts";

/** What NodeCalculator must say, worked out from the whole snapshot at once, with no index and no memory. */
export function planNode(snapshot: Snapshot, node: NodeName): NodePlan {
  const compiled = allPolicies(snapshot);
  const interfaces = [...new Set([...snapshot.attachment.values()].map(({ hostInterface }) => hostInterface))].sort();
  const endpoints = interfaces.map((hostInterface) => endpointOf(snapshot, node, hostInterface, compiled));
  const hosts = hostInterfacesOf(snapshot, node).map((name) => hostEndpointOf(snapshot, node, name, compiled));
  const directions = [
    ...endpoints.flatMap(({ ingress, egress }) => [ingress, egress]),
    ...hosts.flatMap(({ preDnat, ...rest }) => [
      preDnat,
      ...[rest.untracked, rest.forward, rest.normal].flatMap(({ ingress, egress }) => [ingress, egress]),
    ]),
  ];
  const usedIds = new Set(directions.flatMap(({ tiers }) => tiers).flatMap(({ policies }) => policies));
  const used = compiled.filter(({ plan }) => usedIds.has(plan.id));
  const sources = new Map(used.flatMap(({ sets }) => [...sets]));
  const pools = [...snapshot.ipPool.values()].map(({ spec }) => spec);
  const peers = [...snapshot.bgpPeer.values()].flatMap(({ spec }) => parsePeerAddress(spec.peerIP ?? "")?.ip ?? []);
  const hostIps = [...snapshot.node.values()].flatMap(({ internalIps }) => internalIps);
  const annotated = [...snapshot.node.values()].flatMap(({ annotations }) =>
    ["4", "6"].flatMap((version) => {
      const text = annotations[`projectcalico.org/IPv${version}Address`]?.split("/")[0] ?? "";
      return isIp(text) ? [parseIp(text)] : [];
    }),
  );
  return {
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.hostInterface, endpoint])),
    hostEndpoints: new Map(hosts.map((host) => [host.interfaceName, host])),
    policies: new Map(used.map(({ plan }) => [plan.id, plan])),
    sets: new Map([...sources.values()].map((source) => [source.id, setOf(snapshot, node, source)])),
    pools: [...new Set(pools.map(({ cidr }) => cidr))].sort(),
    masqueradedPools: [...new Set(pools.filter(({ natOutgoing }) => natOutgoing).map(({ cidr }) => cidr))].sort(),
    bgpNeighbours: [...new Set([...hostIps, ...annotated, ...peers])].sort(),
    hosts: [...new Set([...hostIps, ...annotated])].sort(),
  };
}

// --- internal ---

function allPolicies(snapshot: Snapshot): readonly CompiledPolicy[] {
  const compiled = [
    ...[...snapshot.networkPolicy.values()].map((value) => compilePolicy("networkPolicy", value)),
    ...[...snapshot.clusterNetworkPolicy.values()].map((value) => compilePolicy("clusterNetworkPolicy", value)),
    ...[...snapshot.calicoNetworkPolicy.values()].map((value) => compilePolicy("calicoNetworkPolicy", value)),
    ...[...snapshot.globalNetworkPolicy.values()].map((value) => compilePolicy("globalNetworkPolicy", value)),
    ...[...snapshot.stagedNetworkPolicy.values()].map((value) => compilePolicy("stagedNetworkPolicy", value)),
    ...[...snapshot.stagedGlobalNetworkPolicy.values()].map((one) => compilePolicy("stagedGlobalNetworkPolicy", one)),
    ...[...snapshot.stagedKubernetesNetworkPolicy.values()].map((one) =>
      compilePolicy("stagedKubernetesNetworkPolicy", one),
    ),
  ];
  return compiled.filter((one) => one !== undefined);
}

function endpointOf(
  snapshot: Snapshot,
  node: NodeName,
  hostInterface: string,
  compiled: readonly CompiledPolicy[],
): EndpointPlan {
  const joined = joinedAt(snapshot, node, hostInterface);
  const { pod, addresses } = joined;
  const labels = pod && labelsOfPod(snapshot, pod);
  if (pod === undefined || labels === undefined) {
    const nothing: DirectionPlan = { tiers: [], profile: "deny" };
    return { hostInterface, addresses, state: "closed", ingress: nothing, egress: nothing };
  }
  const mine = compiled
    .filter(({ stage }) => stage === "normal")
    .filter(({ namespace }) => namespace === undefined || namespace === pod.namespace)
    .filter(({ appliesTo }) => selectorMatches(appliesTo, labels));
  const direction = (name: "ingress" | "egress"): DirectionPlan => ({
    tiers: tiersOf(
      snapshot,
      mine.filter(({ applies }) => applies[name]),
      true,
    ),
    profile: "allow",
  });
  const directions = { ingress: direction("ingress"), egress: direction("egress") };
  const wishes = { ...qosOf(pod, joined.bandwidthPlugin), ...wishesOf(snapshot, node, { ...joined, pod }) };
  return { hostInterface, addresses, state: "open", ...directions, ...wishes };
}

/** The interfaces for which there is a host endpoint, and `*` if one is for all the others. */
function hostInterfacesOf(snapshot: Snapshot, node: NodeName): readonly string[] {
  const named = [...snapshot.hostEndpoint.values()].flatMap(({ spec }) =>
    spec.node === node && spec.interfaceName !== "" ? [spec.interfaceName] : [],
  );
  const candidates = new Set([...named, ...snapshot.hostInterface.keys()]);
  return [...candidates]
    .filter((name) => !name.startsWith("cali") && hostEndpointFor(snapshot, node, name) !== undefined)
    .sort();
}

/** By name or by an address that is there; the first by its own name. */
function hostEndpointFor(snapshot: Snapshot, node: NodeName, interfaceName: string) {
  const addresses = snapshot.hostInterface.get(interfaceName)?.addresses ?? [];
  return [...snapshot.hostEndpoint.values()]
    .filter(({ spec }) => spec.node === node)
    .filter(({ spec }) =>
      spec.interfaceName === ""
        ? addresses.some((ip) => spec.expectedIPs.includes(ip))
        : spec.interfaceName === interfaceName,
    )
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0];
}

function hostEndpointOf(
  snapshot: Snapshot,
  node: NodeName,
  interfaceName: string,
  compiled: readonly CompiledPolicy[],
): HostEndpointPlan {
  const hostEndpoint = hostEndpointFor(snapshot, node, interfaceName);
  if (hostEndpoint === undefined) throw new Error(`Cannot plan ${interfaceName}: no host endpoint is for it`);
  const labels = labelsOfHostEndpoint(snapshot, hostEndpoint);
  const mine = compiled.filter(({ namespace, appliesTo }) => !namespace && selectorMatches(appliesTo, labels));
  const at = (stage: CompiledPolicy["stage"], name: "ingress" | "egress") =>
    mine.filter((policy) => policy.stage === stage && policy.applies[name]);
  const passing = (stage: CompiledPolicy["stage"], name: "ingress" | "egress"): DirectionPlan => ({
    tiers: tiersOf(snapshot, at(stage, name), false),
    profile: "none",
  });
  const forward = (name: "ingress" | "egress"): DirectionPlan => {
    const policies = at("normal", name).filter(({ applyOnForward }) => applyOnForward);
    const decides = policies.some(({ plan }) => !plan.staged);
    return { tiers: tiersOf(snapshot, policies, true), profile: decides ? "none" : "allow" };
  };
  const allows = hostEndpoint.spec.profiles.some(
    (name) =>
      name === "projectcalico-default-allow" || (name.startsWith("kns.") && snapshot.namespace.has(name.slice(4))),
  );
  const normal = (name: "ingress" | "egress"): DirectionPlan => ({
    tiers: tiersOf(snapshot, at("normal", name), true),
    profile: allows ? "allow" : "deny",
  });
  const both = (direction: (name: "ingress" | "egress") => DirectionPlan): BothDirections => ({
    ingress: direction("ingress"),
    egress: direction("egress"),
  });
  return {
    name: hostEndpoint.metadata.name,
    interfaceName,
    untracked: both((name) => passing("untracked", name)),
    preDnat: passing("preDnat", "ingress"),
    forward: both(forward),
    normal: both(normal),
  };
}

function tiersOf(snapshot: Snapshot, policies: readonly CompiledPolicy[], drops: boolean): readonly TierPlan[] {
  const names = [...new Set(policies.map(({ tier }) => tier))];
  names.sort((a, b) => {
    const [left, right] = [tierOf(snapshot, a), tierOf(snapshot, b)];
    return Number(right.exists) - Number(left.exists) || compareNumbers(left.order, right.order) || (a < b ? -1 : 1);
  });
  return names.map((name) => {
    const members = policies
      .filter(({ tier }) => tier === name)
      .sort((a, b) => compareNumbers(a.order, b.order) || (a.sortName < b.sortName ? -1 : 1));
    const enforces = members.some(({ plan }) => !plan.staged);
    const { defaultAction } = tierOf(snapshot, name);
    const endAction = drops && enforces && defaultAction === "Deny" ? "deny" : "pass";
    return { name, policies: members.map(({ plan }) => plan.id), endAction };
  });
}

function tierOf(snapshot: Snapshot, name: string) {
  if (name === "default") return { exists: true, order: 1_000_000, defaultAction: "Deny" };
  if (name === "kube-admin") return { exists: true, order: 1_000, defaultAction: "Pass" };
  if (name === "kube-baseline") return { exists: true, order: 10_000_000, defaultAction: "Pass" };
  const spec = snapshot.tier.get(name)?.spec;
  if (spec === undefined) return { exists: false, order: 0, defaultAction: "Deny" };
  return { exists: true, order: spec.order ?? Number.POSITIVE_INFINITY, defaultAction: spec.defaultAction };
}

/** Infinity equals itself. */
function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a - b;
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

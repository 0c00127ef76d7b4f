import { parseSourcePrefixes } from "../src/api/kubernetes/allowed-source-prefixes.ts";
import { parseDscp } from "../src/api/kubernetes/dscp.ts";
import { parseFloatingIps } from "../src/api/kubernetes/floating-ips.ts";
import type { NodeName } from "../src/api/names.ts";
import type { Pod } from "../src/api/objects.ts";
import { parsePeerAddress } from "../src/api/peer-address.ts";
import type { Snapshot } from "../src/api/snapshot.ts";
import { unusableNetworks } from "../src/api/unusable-networks.ts";
import type { EndpointPlan, FloatingIp } from "../src/felix/calc/plan.ts";
import { cidrContainsIp, cidrSize, firstIp } from "../src/net/cidr.ts";
import { compareIps, type Ip, ipPlus, versionOf } from "../src/net/ip.ts";
import { podHere } from "./reference-sets.ts";

/** One workload interface of the node: its pod, if that is here, and its addresses, IPv4 first. */
export function joinedAt(snapshot: Snapshot, node: NodeName, hostInterface: string) {
  const attachments = [...snapshot.attachment]
    .filter(([, attachment]) => attachment.hostInterface === hostInterface)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, attachment]) => attachment);
  const here = attachments.filter((attachment) => podHere(snapshot, node, attachment) !== undefined);
  const pod = here[0] && podHere(snapshot, node, here[0]);
  const addresses = [...new Set((pod ? here : attachments).flatMap((attachment) => attachment.addresses))];
  return { hostInterface, pod, addresses: addresses.sort(compareIps), bandwidthPlugin: here[0]?.bandwidthPlugin };
}

/** What the plan of an open endpoint says because of its pod's annotations, but for bandwidth. */
export function wishesOf(
  snapshot: Snapshot,
  node: NodeName,
  { hostInterface, pod, addresses }: ReturnType<typeof joinedAt> & { readonly pod: Pod },
): Pick<EndpointPlan, "floatingIps" | "dscp" | "foreignSources" | "problems"> {
  const { dscp, problems: unread } = parseDscp(pod.annotations);
  const { ips, problems: unreadIps } = parseFloatingIps(pod.annotations);
  const { networks, problems: unreadNetworks } = parseSourcePrefixes(pod.annotations);
  const floatingIps: FloatingIp[] = [];
  const problems: string[] = [...unread, ...unreadIps, ...unreadNetworks];
  for (const external of ips) {
    const internal = addresses.find((ip) => versionOf(ip) === versionOf(external));
    const [winner] = claimsOf(snapshot, node, external);
    const why =
      refusalOf(snapshot, node, external) ??
      (winner === undefined || winner.hostInterface === hostInterface ? undefined : `pod ${winner.name} has it`) ??
      (internal === undefined ? `the pod has no IPv${versionOf(external)} address` : undefined);
    if (why !== undefined) problems.push(`cni.projectcalico.org/floatingIPs: ${external} is left out: ${why}`);
    else if (internal !== undefined) floatingIps.push({ external, internal });
  }
  return {
    ...(floatingIps.length > 0 && { floatingIps }),
    ...(dscp !== undefined && { dscp }),
    ...(networks.length > 0 && { foreignSources: networks }),
    ...(problems.length > 0 && { problems }),
  };
}

// --- internal ---

function refusalOf(snapshot: Snapshot, node: NodeName, ip: Ip): string | undefined {
  const network = unusableNetworks.find((one) => cidrContainsIp(one, ip));
  if (network !== undefined) return `it is of ${network}`;
  if (![...snapshot.ipPool.values()].some(({ spec }) => cidrContainsIp(spec.cidr, ip))) return "it is of no IP pool";
  const nodes = [...snapshot.node.values()].flatMap(({ internalIps }) => internalIps);
  const peers = [...snapshot.bgpPeer.values()].map(({ spec }) => parsePeerAddress(spec.peerIP ?? "")?.ip);
  if (nodes.includes(ip) || peers.includes(ip)) return "it is the address of a node or a BGP peer";
  const wired = endpointsOf(snapshot, node).flatMap(({ addresses }) => addresses);
  const reported = [...snapshot.pod.values()].filter(({ finished }) => !finished).flatMap(({ ips }) => ips);
  const given = [...snapshot.ipamBlock.values()]
    // One that has not an entry for each of its addresses says nothing.
    .filter(({ spec }) => !spec.deleted && BigInt(spec.allocations.length) === cidrSize(spec.cidr))
    .flatMap(({ spec }) =>
      spec.allocations.flatMap((index, ordinal) => (index === null ? [] : [ipPlus(firstIp(spec.cidr), ordinal)])),
    );
  return wired.includes(ip) || reported.includes(ip) || given.includes(ip) ? "it is in use" : undefined;
}

function endpointsOf(snapshot: Snapshot, node: NodeName) {
  const interfaces = new Set([...snapshot.attachment.values()].map(({ hostInterface }) => hostInterface));
  return [...interfaces].map((hostInterface) => joinedAt(snapshot, node, hostInterface));
}

/** Endpoints of this node that could have it but for one another, the first by its pod's name first. */
function claimsOf(snapshot: Snapshot, node: NodeName, ip: Ip) {
  return endpointsOf(snapshot, node)
    .flatMap(({ hostInterface, pod, addresses }) => {
      if (pod === undefined || !snapshot.namespace.has(pod.namespace)) return [];
      if (!parseFloatingIps(pod.annotations).ips.includes(ip)) return [];
      if (!addresses.some((one) => versionOf(one) === versionOf(ip))) return [];
      return [{ hostInterface, name: `${pod.namespace}/${pod.name}` }];
    })
    .sort((a, b) => (`${a.name} ${a.hostInterface}` < `${b.name} ${b.hostInterface}` ? -1 : 1));
}

import type { NodeName } from "../src/api/names.ts";
import type { Attachment, Labels, NamedPort, Pod } from "../src/api/objects.ts";
import { selectorMatches } from "../src/api/selector/selector-matches.ts";
import type { Snapshot } from "../src/api/snapshot.ts";
import type { SelectedPorts, ServiceMembers, SetSource } from "../src/felix/calc/compiled-policy.ts";
import type { PortMember, SetPlan } from "../src/felix/calc/plan.ts";
import { type Cidr, cidrContainsIp, cidrSize, firstIp } from "../src/net/cidr.ts";
import { type Ip, ipPlus } from "../src/net/ip.ts";
import { labelsOfHostEndpoint, labelsOfNetworkSet, labelsOfPod } from "./reference-labels.ts";

/** One set and its members. */
export function setOf(snapshot: Snapshot, node: NodeName, source: SetSource): SetPlan {
  if ("service" in source) return serviceSetOf(snapshot, source);
  const { id } = source;
  const selected = ownersOf(snapshot, node).filter(
    ({ namespace, labels }) =>
      (source.namespace === undefined || source.namespace === namespace) && selectorMatches(source.selector, labels),
  );
  if (source.kind === "ports")
    return { kind: "ports", id, members: new Set(selected.flatMap((owner) => portsOf(owner, source))) };
  return { kind: "addresses", id, members: new Set(selected.flatMap(({ members }) => members)) };
}

/** The pod that the attachment was made for, if it is here. */
export function podHere(snapshot: Snapshot, node: NodeName, attachment: Attachment): Pod | undefined {
  const pod = snapshot.pod.get(attachment.pod);
  if (!pod || pod.finished || pod.hostNetwork) return undefined;
  if (attachment.podUid && pod.uid && attachment.podUid !== pod.uid) return undefined;
  if (pod.node && pod.node !== node) return undefined;
  return pod;
}

// --- internal ---

/** What can be selected, and what it brings. */
interface Owner {
  readonly namespace: string | undefined;
  readonly labels: Labels;
  readonly members: readonly (Ip | Cidr)[];
  readonly ports: readonly NamedPort[];
}

function ownersOf(snapshot: Snapshot, node: NodeName): readonly Owner[] {
  const owners: (Omit<Owner, "labels"> & { readonly labels: Labels | undefined })[] = [];
  for (const pod of snapshot.pod.values()) {
    if (!pod.node || pod.finished || pod.hostNetwork) continue;
    const members = addressesOf(snapshot, node, pod);
    owners.push({ namespace: pod.namespace, labels: labelsOfPod(snapshot, pod), members, ports: pod.namedPorts });
  }
  for (const one of snapshot.hostEndpoint.values()) {
    const { expectedIPs: members, ports } = one.spec;
    owners.push({ namespace: undefined, labels: labelsOfHostEndpoint(snapshot, one), members, ports });
  }
  for (const one of [...snapshot.networkSet.values(), ...snapshot.globalNetworkSet.values()]) {
    const { namespace } = one.metadata;
    owners.push({
      namespace,
      labels: labelsOfNetworkSet(snapshot, one),
      members: one.spec.nets.map(asMember),
      ports: [],
    });
  }
  return owners.flatMap((owner) => (owner.labels === undefined ? [] : [{ ...owner, labels: owner.labels }]));
}

/** A network of one address is that address. */
function asMember(net: Cidr): Ip | Cidr {
  return cidrSize(net) === 1n ? firstIp(net) : net;
}

function portsOf({ members, ports }: Owner, { portName, protocol }: SelectedPorts): readonly PortMember[] {
  return ports
    .filter((port) => port.name === portName && (protocol === undefined || port.protocol === protocol))
    .flatMap((port) => members.map((ip) => `${ip},${port.protocol}:${port.port}` as PortMember));
}

function serviceSetOf(snapshot: Snapshot, { kind, id, service }: ServiceMembers): SetPlan {
  const slices = [...snapshot.endpointSlice.values()].filter((one) => `${one.namespace}/${one.service}` === service);
  if (kind === "service-addresses") {
    return { kind: "addresses", id, members: new Set(slices.flatMap(({ addresses }) => addresses)) };
  }
  const members = slices.flatMap(({ addresses, ports }) =>
    addresses.flatMap((ip) => ports.map(({ protocol, port }) => `${ip},${protocol}:${port}` as PortMember)),
  );
  return { kind: "ports", id, members: new Set(members) };
}

function addressesOf(snapshot: Snapshot, node: NodeName, pod: Pod): readonly Ip[] {
  const reported = pod.ips.filter((ip) => judgements(snapshot, pod, ip).every((isIts) => isIts));
  const annotated = pod.annotatedIps.filter((ip) => {
    // Anybody may write an annotation: a block must vouch for it.
    const blocks = judgements(snapshot, pod, ip);
    return blocks.length > 0 && blocks.every((isIts) => isIts);
  });
  const wired = [...snapshot.attachment.values()].filter((attachment) => podHere(snapshot, node, attachment) === pod);
  return [...reported, ...annotated, ...wired.flatMap(({ addresses }) => addresses)];
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

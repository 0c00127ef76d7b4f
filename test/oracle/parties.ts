/** Who is at an address, and by which labels and port names policy knows them. */
import type { HostEndpoint } from "../../src/api/host-endpoint.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../src/api/names.ts";
import type { Labels, NamedPort, Namespace, Pod } from "../../src/api/objects.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { cidrContainsIp } from "../../src/net/cidr.ts";
import type { Ip } from "../../src/net/ip.ts";

/** One end of a connection: an address, and whose it is; nobody's that the cluster knows when it is neither a pod's nor a node's. */
export interface Party {
  readonly ip: Ip;
  readonly pod?: NamespacedName;
  readonly node?: NodeName;
}

/** A packet as it is on its way; `to` and `port` are what it is addressed to at that moment. */
export interface Seen {
  readonly from: Party;
  readonly to: Party;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly port?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** What a selector can select. */
export interface Selectable {
  readonly what: "pod" | "host endpoint" | "network set";
  /** Of a pod or a NetworkSet. */
  readonly namespace: string | undefined;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
}

/** Everything that has the party's address. One address can be a pod's and lie in network sets too. */
export function selectablesAt(snapshot: Snapshot, party: Party): readonly Selectable[] {
  const pod = party.pod === undefined ? undefined : selectablePod(snapshot, party.pod);
  const hosts = [...snapshot.hostEndpoint.values()].filter(({ spec }) => spec.expectedIPs.includes(party.ip));
  return [
    ...(pod === undefined ? [] : [pod]),
    ...hosts.map((one) => selectableHost(snapshot, one)),
    ...networkSetsAround(snapshot, party.ip),
  ];
}

/** The pod that has the party's address, if one has. */
export function podsAt(snapshot: Snapshot, party: Party): readonly Selectable[] {
  return selectablesAt(snapshot, party).filter(({ what }) => what === "pod");
}

/** Undefined while the pod, or its namespace, is not known, and for one that has no address of its own. */
export function selectablePod(snapshot: Snapshot, name: NamespacedName): Selectable | undefined {
  const pod = snapshot.pod.get(name);
  const namespace = pod && snapshot.namespace.get(pod.namespace);
  if (!pod || !namespace || pod.finished || pod.hostNetwork) return undefined;
  const labels = { ...ownLabels(pod.labels), ...namespaceLabels(namespace), ...accountLabels(snapshot, pod) };
  const place = { "projectcalico.org/namespace": pod.namespace, "projectcalico.org/orchestrator": "k8s" };
  return { what: "pod", namespace: pod.namespace, labels: { ...labels, ...place }, namedPorts: pod.namedPorts };
}

/** A host endpoint inherits the labels of the namespaces whose profiles (`kns.NAME`) it names. */
export function selectableHost(snapshot: Snapshot, { metadata, spec }: HostEndpoint): Selectable {
  const namespaces = spec.profiles
    .filter((one) => one.startsWith("kns."))
    .map((one) => snapshot.namespace.get(one.slice(4)));
  const inherited = namespaces.map((one) => (one === undefined ? {} : namespaceLabels(one)));
  const labels = Object.assign({}, ownLabels(metadata.labels), ...inherited) as Labels;
  return { what: "host endpoint", namespace: undefined, labels, namedPorts: spec.ports };
}

/** Those of its labels that it has from its namespace (`pcns.`) or service account (`pcsa.`), without the prefix. */
export function inheritedLabels({ labels }: Selectable, prefix: "pcns." | "pcsa."): Labels {
  const inherited = Object.entries(labels).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(inherited.map(([key, value]) => [key.slice(prefix.length), value]));
}

// --- internal ---

function networkSetsAround(snapshot: Snapshot, ip: Ip): readonly Selectable[] {
  const around = (nets: Parameters<typeof cidrContainsIp>[0][]) => nets.some((net) => cidrContainsIp(net, ip));
  const ofNamespaces = [...snapshot.networkSet.values()].filter(({ spec }) => around([...spec.nets]));
  const global = [...snapshot.globalNetworkSet.values()].filter(({ spec }) => around([...spec.nets]));
  const common = { what: "network set", namedPorts: [] } as const;
  return [
    ...ofNamespaces.map(({ metadata }): Selectable => {
      const name = metadata.namespace ?? "";
      const namespace = snapshot.namespace.get(name);
      const inherited = namespace === undefined ? {} : namespaceLabels(namespace);
      const labels = { ...ownLabels(metadata.labels), ...inherited, "projectcalico.org/namespace": name };
      return { ...common, namespace: name, labels };
    }),
    ...global.map(
      ({ metadata }): Selectable => ({ ...common, namespace: undefined, labels: ownLabels(metadata.labels) }),
    ),
  ];
}

/** Nobody may say of himself what others decide. */
function ownLabels(labels: Labels): Labels {
  const others = /^(pcns\.|pcsa\.|projectcalico\.org\/(namespace|orchestrator|serviceaccount)$)/;
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !others.test(key)));
}

function namespaceLabels({ name, labels }: Namespace): Labels {
  const prefixed = Object.entries(labels).map(([key, value]) => [`pcns.${key}`, value]);
  return { ...Object.fromEntries(prefixed), "pcns.projectcalico.org/name": name };
}

function accountLabels(snapshot: Snapshot, { namespace, serviceAccount }: Pod): Labels {
  // A longer name is no label value.
  const name = serviceAccount.length > 63 ? {} : { "projectcalico.org/serviceaccount": serviceAccount };
  const account = snapshot.serviceAccount.get(namespacedName(namespace, serviceAccount));
  if (account === undefined) return name;
  const prefixed = Object.entries(account.labels).map(([key, value]) => [`pcsa.${key}`, value]);
  return { ...Object.fromEntries(prefixed), ...name, "pcsa.projectcalico.org/name": serviceAccount };
}

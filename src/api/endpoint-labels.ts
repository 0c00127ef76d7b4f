import type { HostEndpoint } from "./host-endpoint.ts";
import {
  inheritedName,
  namespaceLabel,
  namespaceLabelPrefix,
  orchestratorLabel,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from "./label-names.ts";
import type { GlobalNetworkSet, NetworkSet } from "./network-set.ts";
import type { Labels, Namespace, Pod, ServiceAccount } from "./objects.ts";

/** Something that selectors select, with all that its labels come from. */
export interface Labelled {
  readonly own: Labels;
  readonly isPod: boolean;
  /** The one that it is in. */
  readonly namespace: string | undefined;
  /** The name of a pod's. */
  readonly serviceAccount: string | undefined;
  /** Those whose labels it has; where two have one label, the first's counts. */
  readonly namespaces: readonly Namespace[];
  /** The one whose labels it has; looked up when a selector asks for one, as few do. */
  readonly account: () => ServiceAccount | undefined;
}

/** A pod to selectors. Without its service account's object it lacks the labels of that alone. */
export function labelledPod(pod: Pod, namespace: Namespace, account: () => ServiceAccount | undefined): Labelled {
  const { labels: own, serviceAccount } = pod;
  return { own, isPod: true, namespace: pod.namespace, serviceAccount, namespaces: [namespace], account };
}

/** A host endpoint to selectors; `namespaces` are those whose profiles it names, in that order. */
export function labelledHostEndpoint({ metadata }: HostEndpoint, namespaces: readonly Namespace[]): Labelled {
  return { ...labelledPlainly, own: metadata.labels, namespaces };
}

/** A NetworkSet, or without a namespace a GlobalNetworkSet, to selectors. */
export function labelledNetworkSet(set: NetworkSet | GlobalNetworkSet, namespace: Namespace | undefined): Labelled {
  const [own, namespaces] = [set.metadata.labels, namespace === undefined ? [] : [namespace]];
  return { ...labelledPlainly, own, namespaces, namespace: namespace?.name };
}

/** The labels that a pod is selected by. */
export function endpointLabels(pod: Pod, namespace: Namespace, account?: ServiceAccount): Labels {
  return labelsOf(labelledPod(pod, namespace, () => account));
}

/** The labels that a host endpoint is selected by. */
export function hostEndpointLabels(hostEndpoint: HostEndpoint, namespaces: readonly Namespace[]): Labels {
  return labelsOf(labelledHostEndpoint(hostEndpoint, namespaces));
}

/**
 * The value of one of the labels that it is selected by. A label of its own counts unless we give labels of that name:
 * nothing may speak for its namespace, or for one that it is not in.
 */
export function labelOf(labelled: Labelled, label: string): string | undefined {
  if (label.startsWith(namespaceLabelPrefix)) return namespaceValue(labelled, nameBehind(namespaceLabelPrefix, label));
  if (label.startsWith(serviceAccountLabelPrefix)) {
    return inherited(labelled.account(), nameBehind(serviceAccountLabelPrefix, label));
  }
  switch (label) {
    case namespaceLabel:
      return labelled.namespace;
    case orchestratorLabel:
      return labelled.isPod ? "k8s" : undefined;
    case serviceAccountLabel:
      return serviceAccountValue(labelled.serviceAccount);
    default:
      return Object.hasOwn(labelled.own, label) ? labelled.own[label] : undefined;
  }
}

// --- internal ---

const maxLabelLength = 63;

/** The last label that was asked for, and its name. */
let last = { label: "", name: "" };

/** Everyone is asked for the same label one after the other, and to cut its name costs more than the answer. */
function nameBehind(prefix: string, label: string): string {
  if (last.label !== label) last = { label, name: label.slice(prefix.length) };
  return last.name;
}

const labelledPlainly: Labelled = {
  own: {},
  isPod: false,
  namespace: undefined,
  serviceAccount: undefined,
  namespaces: [],
  account: () => undefined,
};

function labelsOf(labelled: Labelled): Labels {
  const names = [
    ...Object.keys(labelled.own),
    ...labelled.namespaces.flatMap((namespace) => inheritedLabels(namespaceLabelPrefix, namespace)),
    ...inheritedLabels(serviceAccountLabelPrefix, labelled.account()),
    namespaceLabel,
    orchestratorLabel,
    serviceAccountLabel,
  ];
  const values = names.map((name) => [name, labelOf(labelled, name)] as const);
  return Object.fromEntries(values.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function inheritedLabels(prefix: string, from: Namespace | ServiceAccount | undefined): readonly string[] {
  return from === undefined ? [] : [...Object.keys(from.labels), inheritedName].map((label) => prefix + label);
}

function namespaceValue({ namespaces }: Labelled, label: string): string | undefined {
  for (const namespace of namespaces) {
    const value = inherited(namespace, label);
    if (value !== undefined) return value;
  }
  return undefined;
}

function inherited(from: Namespace | ServiceAccount | undefined, label: string): string | undefined {
  if (label === inheritedName) return from?.name;
  return from !== undefined && Object.hasOwn(from.labels, label) ? from.labels[label] : undefined;
}

/** The value of the label that names a service account: a name that is too long for a label's value is none. */
function serviceAccountValue(name: string | undefined): string | undefined {
  return name !== undefined && name.length <= maxLabelLength ? name : undefined;
}

import type { HostEndpoint } from "../src/api/host-endpoint.ts";
import type { NetworkSet } from "../src/api/network-set.ts";
import type { Labels, Pod } from "../src/api/objects.ts";
import type { Snapshot } from "../src/api/snapshot.ts";

/** What selectors see of a pod; undefined while its namespace is not known. */
export function labelsOfPod(snapshot: Snapshot, pod: Pod): Labels | undefined {
  const namespace = snapshot.namespace.get(pod.namespace);
  if (namespace === undefined) return undefined;
  const account = [...snapshot.serviceAccount.values()].find(
    ({ namespace: its, name }) => its === pod.namespace && name === pod.serviceAccount,
  );
  return {
    ...allowed(pod.labels),
    ...under("pcns.", namespace.labels, namespace.name),
    ...(account && under("pcsa.", account.labels, account.name)),
    "projectcalico.org/namespace": pod.namespace,
    "projectcalico.org/orchestrator": "k8s",
    ...(pod.serviceAccount.length > 63 ? {} : { "projectcalico.org/serviceaccount": pod.serviceAccount }),
  };
}

/** What selectors see of a host endpoint: of two namespaces with one label the one that is named first counts. */
export function labelsOfHostEndpoint(snapshot: Snapshot, { metadata, spec }: HostEndpoint): Labels {
  const inherited: Record<string, string> = {};
  for (const profile of spec.profiles.toReversed()) {
    const namespace = profile.startsWith("kns.") ? snapshot.namespace.get(profile.slice(4)) : undefined;
    if (namespace !== undefined) Object.assign(inherited, under("pcns.", namespace.labels, namespace.name));
  }
  return { ...allowed(metadata.labels), ...inherited };
}

/** What selectors see of a NetworkSet; undefined while its namespace is not known. Of a GlobalNetworkSet: its own labels. */
export function labelsOfNetworkSet(snapshot: Snapshot, { metadata }: NetworkSet): Labels | undefined {
  if (metadata.namespace === undefined) return allowed(metadata.labels);
  const namespace = snapshot.namespace.get(metadata.namespace);
  if (namespace === undefined) return undefined;
  return {
    ...allowed(metadata.labels),
    ...under("pcns.", namespace.labels, namespace.name),
    "projectcalico.org/namespace": namespace.name,
  };
}

// --- internal ---

/** Without those that only we may give. */
function allowed(own: Labels): Labels {
  const ours = /^(pcns\.|pcsa\.|projectcalico\.org\/(namespace|orchestrator|serviceaccount)$)/;
  return Object.fromEntries(Object.entries(own).filter(([label]) => !ours.test(label)));
}

function under(prefix: string, labels: Labels, name: string): Labels {
  const prefixed = Object.entries(labels).map(([label, value]) => [prefix + label, value]);
  return { ...Object.fromEntries(prefixed), [`${prefix}projectcalico.org/name`]: name };
}

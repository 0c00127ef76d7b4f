import type { Labels, Namespace, Pod } from "../../api/objects.ts";

/** Before the labels that an endpoint inherits from its namespace. */
export const namespaceLabelPrefix = "pcns.";

/** Carried by every pod, and by nothing else, so that a Kubernetes peer selects pods only. */
export const orchestratorLabel = "projectcalico.org/orchestrator";
/** The label that names a pod's namespace. */
export const namespaceLabel = "projectcalico.org/namespace";
const serviceAccountLabel = "projectcalico.org/serviceaccount";

/**
 * The labels that peers are selected by: the pod's own, its namespace's under `pcns.`, and where it belongs.
 * A label of the pod itself under an inherited prefix is left out: a pod must not speak for its namespace.
 */
export function endpointLabels(pod: Pod, namespace: Namespace): Labels {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(pod.labels)) if (!isInherited(key)) labels[key] = value;
  for (const [key, value] of Object.entries(namespace.labels)) labels[namespaceLabelPrefix + key] = value;
  labels[`${namespaceLabelPrefix}projectcalico.org/name`] = namespace.name;
  labels[namespaceLabel] = pod.namespace;
  labels[orchestratorLabel] = "k8s";
  if (pod.serviceAccount.length <= maxLabelLength) labels[serviceAccountLabel] = pod.serviceAccount;
  return labels;
}

// --- internal ---

/** A longer service account name is no label value, and is not selected by. */
const maxLabelLength = 63;

function isInherited(key: string): boolean {
  return key.startsWith(namespaceLabelPrefix) || key.startsWith("pcsa.");
}

/** The labels that objects and endpoints have by upstream's conventions, beside those that people give them. */

/** Before the labels that an endpoint inherits from its namespace. */
export const namespaceLabelPrefix = "pcns.";
/** Before the labels that a pod inherits from its service account. */
export const serviceAccountLabelPrefix = "pcsa.";
/** Carried by every pod, and by nothing else, so that a Kubernetes peer selects pods only. */
export const orchestratorLabel = "projectcalico.org/orchestrator";
/** The label that names the namespace that a pod or network set is in; no network set may claim it. */
export const namespaceLabel = "projectcalico.org/namespace";
/** The label that names a pod's service account. */
export const serviceAccountLabel = "projectcalico.org/serviceaccount";
/** Behind an inherited prefix: the name of what is inherited from. */
export const inheritedName = "projectcalico.org/name";
/** The label of policy objects by which people select those of a tier; nothing of ours relies on it. */
export const tierLabel = "projectcalico.org/tier";

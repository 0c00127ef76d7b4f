/** What is read of Kubernetes' own kinds, by the field numbers of k8s.io/api and k8s.io/apimachinery (`generated.proto`). */
import type { Field, FieldType, Message } from "./message.ts";

/** metav1.ObjectMeta. */
const objectMeta = loose({
  1: one("name", "text"),
  3: one("namespace", "text"),
  5: one("uid", "text"),
  6: one("resourceVersion", "text"),
  7: one("generation", "count"),
  9: one("deletionTimestamp", "time"),
  11: one("labels", "texts"),
  12: one("annotations", "texts"),
});

/** metav1.LabelSelector. */
const labelSelector = strict({
  1: one("matchLabels", "texts"),
  2: many("matchExpressions", strict({ 1: one("key", "text"), 2: one("operator", "text"), 3: many("values", "text") })),
});

const containerPort = loose({ 1: one("name", "text"), 3: one("containerPort", "number"), 4: one("protocol", "text") });
const container = loose({ 6: many("ports", containerPort) });

/** Pod (v1). */
export const podMessage: Message = loose({
  1: one("metadata", objectMeta),
  2: one(
    "spec",
    loose({
      2: many("containers", container),
      8: one("serviceAccountName", "text"),
      10: one("nodeName", "text"),
      11: one("hostNetwork", "flag"),
      20: many("initContainers", container),
    }),
  ),
  3: one(
    "status",
    loose({ 1: one("phase", "text"), 6: one("podIP", "text"), 12: many("podIPs", loose({ 1: one("ip", "text") })) }),
  ),
});

/** Namespace or ServiceAccount (v1), of which only the metadata is read. */
export const metadataMessage: Message = loose({ 1: one("metadata", objectMeta) });

/** Node (v1). */
export const nodeMessage: Message = loose({
  1: one("metadata", objectMeta),
  2: one("spec", loose({ 1: one("podCIDR", "text"), 4: one("unschedulable", "flag"), 7: many("podCIDRs", "text") })),
  3: one(
    "status",
    loose({
      4: many("conditions", loose({ 1: one("type", "text"), 2: one("status", "text"), 5: one("reason", "text") })),
      5: many("addresses", loose({ 1: one("type", "text"), 2: one("address", "text") })),
    }),
  ),
});

/** Service (v1). */
export const serviceMessage: Message = loose({
  1: one("metadata", objectMeta),
  2: one(
    "spec",
    loose({
      1: many("ports", loose({ 2: one("protocol", "text"), 3: one("port", "number") })),
      3: one("clusterIP", "text"),
      4: one("type", "text"),
      5: many("externalIPs", "text"),
      8: one("loadBalancerIP", "text"),
      11: one("externalTrafficPolicy", "text"),
      12: one("healthCheckNodePort", "count"),
      18: many("clusterIPs", "text"),
      19: many("ipFamilies", "text"),
      22: one("internalTrafficPolicy", "text"),
    }),
  ),
  3: one("status", loose({ 1: one("loadBalancer", loose({ 1: many("ingress", loose({ 1: one("ip", "text") })) })) })),
});

/** EndpointSlice (discovery.k8s.io/v1). */
export const endpointSliceMessage: Message = loose({
  1: one("metadata", objectMeta),
  2: many(
    "endpoints",
    loose({
      1: many("addresses", "text"),
      2: one(
        "conditions",
        loose({ 1: one("ready", "choice"), 2: one("serving", "choice"), 3: one("terminating", "choice") }),
      ),
      6: one("nodeName", "text"),
    }),
  ),
  3: many("ports", loose({ 2: one("protocol", "text"), 3: one("port", "number") })),
  4: one("addressType", "text"),
});

const policyPort = strict({ 1: one("protocol", "text"), 2: one("port", "intOrString"), 3: one("endPort", "number") });
const policyPeer = strict({
  1: one("podSelector", labelSelector),
  2: one("namespaceSelector", labelSelector),
  3: one("ipBlock", strict({ 1: one("cidr", "text"), 2: many("except", "text") })),
});

/** NetworkPolicy (networking.k8s.io/v1). */
export const networkPolicyMessage: Message = loose({
  1: one("metadata", objectMeta),
  2: one(
    "spec",
    strict({
      1: one("podSelector", labelSelector),
      2: many("ingress", strict({ 1: many("ports", policyPort), 2: many("from", policyPeer) })),
      3: many("egress", strict({ 1: many("ports", policyPort), 2: many("to", policyPeer) })),
      4: many("policyTypes", "text"),
    }),
  ),
});

/** metav1.Status. */
export const statusMessage: Message = loose({
  3: one("message", "text"),
  4: one("reason", "text"),
  6: one("code", "count"),
});

/** The list of a kind. */
export function listMessage(item: Message): Message {
  return loose({
    1: one("metadata", loose({ 2: one("resourceVersion", "text"), 3: one("continue", "text") })),
    2: many("items", item),
  });
}

/** A field that is there once. */
export function one(name: string, type: FieldType): Field {
  return { name, type, repeated: false };
}

/** A message of which these fields are read, and the others left out. */
export function loose(fields: Message["fields"]): Message {
  return { fields, strict: false };
}

// --- internal ---

function many(name: string, type: FieldType): Field {
  return { name, type, repeated: true };
}

function strict(fields: Message["fields"]): Message {
  return { fields, strict: true };
}

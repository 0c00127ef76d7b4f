/** query.margay.io/v1 NodeAddresses: what a node uses at this moment. It is stored nowhere. */
import type { NodeName } from "../../api/names.ts";
import type { AddressUse } from "../../api/node-query.ts";

/** The group that the API server hands on to us. */
export const queryGroup = "query.margay.io";
export const queryVersion = "v1";
/** Its one resource, cluster-scoped; an object has the name of its node. */
export const nodeAddressesResource = "nodeaddresses";

const groupVersion = `${queryGroup}/${queryVersion}`;

/** The object as it goes out. */
export function nodeAddressesOf(node: NodeName, addresses: readonly AddressUse[]) {
  return { kind: "NodeAddresses", apiVersion: groupVersion, metadata: { name: node }, addresses };
}

/** The same as rows for people (metav1.Table), one for each use, by address. */
export function tableOf(node: NodeName, addresses: readonly AddressUse[]) {
  const object = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: { name: node } };
  const columns = ["Address", "Kind", "Interface", "Namespace", "Pod"];
  const rows = addresses.map((use) => ({
    cells: [use.ip, use.kind, use.interface, use.namespace, use.pod ?? ""],
    object,
  }));
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: {},
    columnDefinitions: columns.map((name) => ({ name, type: "string", format: "", description: "", priority: 0 })),
    rows,
  };
}

/** What clients learn the resource from: paths and what stands there. */
export const discovery: Readonly<Record<string, object>> = {
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [groupOf()] },
  [`/apis/${queryGroup}`]: { kind: "APIGroup", apiVersion: "v1", ...groupOf() },
  [`/apis/${groupVersion}`]: {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion,
    resources: [
      {
        name: nodeAddressesResource,
        singularName: "nodeaddresses",
        namespaced: false,
        kind: "NodeAddresses",
        verbs: ["get"],
      },
    ],
  },
};

// --- internal ---

function groupOf() {
  const version = { groupVersion, version: queryVersion };
  return { name: queryGroup, versions: [version], preferredVersion: version };
}

import { expect, test } from "vitest";
import {
  endpointLabels,
  hostEndpointLabels,
  labelledNetworkSet,
  labelledPod,
  labelOf,
} from "../../../src/api/endpoint-labels.ts";
import type { Labels, Pod } from "../../../src/api/objects.ts";

const namespace = { name: "shop", labels: { env: "prod", "projectcalico.org/name": "forged" }, annotations: {} };
const account = { namespace: "shop", name: "robot", labels: { team: "a" } };

test("a pod has its own labels, and those of its namespace and its service account behind their prefixes", () => {
  expect(endpointLabels(podWith({ app: "web" }), namespace, account)).toEqual({
    app: "web",
    "pcns.env": "prod",
    "pcns.projectcalico.org/name": "shop",
    "pcsa.team": "a",
    "pcsa.projectcalico.org/name": "robot",
    "projectcalico.org/namespace": "shop",
    "projectcalico.org/orchestrator": "k8s",
    "projectcalico.org/serviceaccount": "robot",
  });
});

const forged = {
  "pcns.env": "test",
  "pcns.other": "x",
  "pcsa.team": "b",
  "projectcalico.org/namespace": "bank",
  "projectcalico.org/orchestrator": "other",
  "projectcalico.org/serviceaccount": "admin",
};

test("a pod cannot speak for what it inherits, or for where it is", () => {
  expect(endpointLabels(podWith(forged), namespace, account)).toEqual(endpointLabels(podWith({}), namespace, account));
});

test("a host endpoint has no label that says where a pod is, whatever its own say", () => {
  const spec = { node: "node-1", interfaceName: "*", expectedIPs: [], profiles: [], ports: [] };
  const metadata = { name: "host", labels: { ...forged, role: "edge" }, annotations: {} };
  expect(hostEndpointLabels({ metadata, spec }, [])).toEqual({ role: "edge" });
});

test("of two namespaces that a host endpoint inherits one label from, the first counts", () => {
  const spec = { node: "node-1", interfaceName: "*", expectedIPs: [], profiles: [], ports: [] };
  const metadata = { name: "host", labels: {}, annotations: {} };
  const bank = { name: "bank", labels: { env: "test", zone: "b" }, annotations: {} };
  expect(hostEndpointLabels({ metadata, spec }, [namespace, bank])).toEqual({
    "pcns.env": "prod",
    "pcns.zone": "b",
    "pcns.projectcalico.org/name": "shop",
  });
});

test("a network set has its namespace's labels and name, and one of no namespace has neither", () => {
  const set = {
    metadata: { name: "partners", labels: { ...forged, kind: "partner" }, annotations: {} },
    spec: { nets: [] },
  };
  const asked = ["kind", "pcns.env", "projectcalico.org/namespace", "projectcalico.org/orchestrator", "pcsa.team"];
  const inside = labelledNetworkSet(set, namespace);
  const everybodys = labelledNetworkSet(set, undefined);
  expect(asked.map((label) => labelOf(inside, label))).toEqual(["partner", "prod", "shop", undefined, undefined]);
  expect(asked.map((label) => labelOf(everybodys, label))).toEqual([
    "partner",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a service account whose name is too long for a label's value is not selected by its name", () => {
  const pod = { ...podWith({}), serviceAccount: "x".repeat(64) };
  expect(
    labelOf(
      labelledPod(pod, namespace, () => undefined),
      "projectcalico.org/serviceaccount",
    ),
  ).toBeUndefined();
});

test("a label that only objects of the language have is no label", () => {
  const labelled = labelledPod(podWith({}), namespace, () => account);
  const labels = ["constructor", "pcns.constructor", "pcsa.toString"];
  expect(labels.map((label) => labelOf(labelled, label))).toEqual([undefined, undefined, undefined]);
});

// --- internal ---

function podWith(labels: Labels): Pod {
  return {
    namespace: "shop",
    name: "web",
    uid: "u",
    labels,
    annotations: {},
    node: undefined,
    serviceAccount: "robot",
    ips: [],
    annotatedIps: [],
    hostNetwork: false,
    namedPorts: [],
    finished: false,
  };
}

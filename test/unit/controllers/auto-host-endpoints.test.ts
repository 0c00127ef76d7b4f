import { expect, test } from "vitest";
import { parseHostEndpoint } from "../../../src/api/host-endpoint.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import {
  autoHostEndpoints,
  type HostEndpointSettings,
} from "../../../src/controllers/host-endpoints/auto-host-endpoints.ts";
import { HostEndpointController } from "../../../src/controllers/host-endpoints/host-endpoint-controller.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { noAgents } from "../../fakes/no-agents.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const group = "/apis/projectcalico.org/v3/hostendpoints";
const alive = new AbortController().signal;
const createdBy = { "projectcalico.org/created-by": "calico-kube-controllers" };
const profiles = ["projectcalico-default-allow"];

const node: Node = {
  name: "node-1" as NodeName,
  labels: { rack: "1" },
  annotations: {},
  internalIps: [parseIp("10.0.0.1"), parseIp("fd00::1")],
  podCidrs: [],
};

test("every node gets one for all its interfaces, with its labels and addresses", () => {
  expect([...autoHostEndpoints([node], {}).values()]).toEqual([
    {
      name: "node-1-auto-hep",
      labels: { rack: "1", ...createdBy },
      annotations: {},
      spec: { node: "node-1", interfaceName: "*", expectedIPs: ["10.0.0.1", "fd00::1"], profiles },
    },
  ]);
});

test("a template makes one for the nodes it selects, with the addresses in its networks", () => {
  const template = { generateName: "web", interfaceCIDRs: [parseCidr("10.0.0.0/8")], labels: { rack: "x", a: "b" } };
  const made = (extra: object) => [
    ...autoHostEndpoints([node], { createDefaultHostEndpoint: "Disabled", templates: [{ ...template, ...extra }] }),
  ];
  expect(made({ annotations: { c: "d" } })).toEqual([
    [
      "node-1-web-auto-hep",
      {
        name: "node-1-web-auto-hep",
        labels: { rack: "x", a: "b", ...createdBy },
        annotations: { c: "d" },
        spec: { node: "node-1", expectedIPs: ["10.0.0.1"], profiles },
      },
    ],
  ]);
  expect(made({ nodeSelector: "rack == '1'" })).toHaveLength(1);
  expect(made({ nodeSelector: "rack == '2'" })).toEqual([]);
  expect(made({ interfaceCIDRs: [parseCidr("192.0.2.0/24")] })).toEqual([]);
  expect(made({ interfacePattern: "eth.*" })).toEqual([]);
});

/** What the controller sends, with these host endpoints there and one node. */
async function sent(settings: Partial<HostEndpointSettings> | "off" | "unknown", ...there: readonly object[]) {
  const objects = there.map((json) => parseHostEndpoint(json));
  const snapshot = {
    ...emptySnapshot(),
    node: new Map([[node.name, node]]),
    hostEndpoint: new Map(objects.map((one) => [one.metadata.name, one])),
  };
  const client = stubClient(() => ({}));
  const controller = new HostEndpointController({
    ...{ client, snapshot, agents: noAgents, clock: testClock(), events: { record() {} }, settings: () => settings },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  await controller.pass(alive);
  return client.sent;
}

function hostEndpoint(name: string, labels: object, spec: object = {}): object {
  const whole = { node: "node-1", interfaceName: "*", expectedIPs: node.internalIps, profiles, ...spec };
  return { metadata: { name, uid: "u", labels }, spec: whole };
}

test("what is missing or different is written, and what stands is not", async () => {
  const labels = { rack: "1", ...createdBy };
  expect(await sent({})).toEqual([`PATCH ${group}/node-1-auto-hep`]);
  expect(await sent({}, hostEndpoint("node-1-auto-hep", labels))).toEqual([]);
  expect(await sent({}, hostEndpoint("node-1-auto-hep", createdBy))).toEqual([`PATCH ${group}/node-1-auto-hep`]);
  expect(await sent({}, hostEndpoint("node-1-auto-hep", labels, { expectedIPs: ["10.0.0.9"] }))).toEqual([
    `PATCH ${group}/node-1-auto-hep`,
  ]);
});

test("what no node wants goes, and nobody else's is touched", async () => {
  const gone = hostEndpoint("node-9-auto-hep", createdBy, { node: "node-9" });
  const foreign = hostEndpoint("edge", {}, { node: "node-9" });
  const standing = hostEndpoint("node-1-auto-hep", { rack: "1", ...createdBy });
  expect(await sent({}, gone, foreign, standing)).toEqual([`DELETE ${group}/node-9-auto-hep`]);
  expect(await sent("off", foreign, standing)).toEqual([`DELETE ${group}/node-1-auto-hep`]);
  expect(await sent("unknown", gone, standing)).toEqual([]);
  expect(await sent({}, hostEndpoint("node-1-auto-hep", {}))).toEqual([]);
});

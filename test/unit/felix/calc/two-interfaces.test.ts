import { expect, test } from "vitest";
import type { NodeName } from "../../../../src/api/names.ts";
import { namespacedName } from "../../../../src/api/names.ts";
import { attachmentKey, type KubeNetworkPolicy, type Pod } from "../../../../src/api/objects.ts";
import { NodeCalculator } from "../../../../src/felix/calc/node-calculator.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const node = "node-1" as NodeName;
const key = namespacedName("shop", "db");
const pod: Pod = {
  ...{
    namespace: "shop",
    name: "db",
    uid: "u",
    labels: { app: "db" },
    annotations: {},
    node,
    serviceAccount: "default",
  },
  ...{ ips: [parseIp("10.0.0.2")], annotatedIps: [], namedPorts: [], hostNetwork: false, finished: false },
};
const first = {
  ...{ containerId: "c", interfaceName: "eth0", hostInterface: "cali1", netns: "/run/netns/db", pod: key, podUid: "u" },
  ...{ addresses: [parseIp("10.0.0.2")], mtu: 1500 },
};
const further = { ...first, interfaceName: "net1", hostInterface: "cali2", addresses: [parseIp("10.9.0.2")] };
const closed: KubeNetworkPolicy = {
  ...{ namespace: "shop", name: "closed", podSelector: { matchLabels: {}, matchExpressions: [] } },
  ...{ types: ["Ingress"], ingress: [], egress: [], revision: { uid: "p", generation: 1 } },
};

test("a pod's policy is in force on each of its interfaces, each with its own addresses", () => {
  const calculator = new NodeCalculator(node);
  calculator.apply([
    { kind: "namespace", key: "shop", value: { name: "shop", labels: {}, annotations: {} } },
    { kind: "pod", key, value: pod },
    { kind: "networkPolicy", key: namespacedName("shop", "closed"), value: closed },
    { kind: "attachment", key: attachmentKey(first), value: first },
    { kind: "attachment", key: attachmentKey(further), value: further },
  ]);
  const { endpoints } = calculator.plan();
  const [one, two] = [endpoints.get("cali1"), endpoints.get("cali2")];
  expect([one?.addresses, two?.addresses]).toEqual([["10.0.0.2"], ["10.9.0.2"]]);
  expect(one?.ingress.tiers).toHaveLength(1);
  expect(two).toMatchObject({ state: "open", ingress: one?.ingress, egress: one?.egress });
  calculator.apply([{ kind: "attachment", key: attachmentKey(first), value: undefined }]);
  expect([...calculator.plan().endpoints.keys()]).toEqual(["cali2"]);
});

import { describe, expect } from "vitest";
import { confOf } from "./cni-call.ts";
import { container, test } from "./cni-test.ts";

describe("a wrong configuration is refused with the specification's code", () => {
  const cases: readonly (readonly [string, unknown, number, RegExp])[] = [
    ["no JSON", '{"name":', 6, /not JSON/],
    ["no object", "[]", 6, /not a JSON object/],
    ["empty input", "\n", 6, /not JSON/],
    ["a version of the future", confOf({ cniVersion: "2.0.0" }), 1, /2\.0\.0/],
    ["no name", confOf({ name: undefined }), 7, /name: is required/],
    ["no IPAM", confOf({ ipam: undefined }), 7, /ipam/],
    ["an IPAM that is a path", confOf({ ipam: { type: "../host-local" } }), 7, /host-local.*not an IPAM plugin's name/],
    ["itself as IPAM", confOf({ ipam: { type: "calico" } }), 7, /"calico" is not an IPAM plugin's name/],
    ["etcd", confOf({ datastore_type: "etcdv3" }), 7, /datastore_type/],
    ["another node", confOf({ nodename: "node-2" }), 7, /node-2/],
    ["another device", confOf({ device_type: "netkit" }), 7, /device_type.*netkit/],
    ["a wrong type", confOf({ mtu: "big" }), 7, /mtu/],
  ];
  for (const [name, conf, code, sentence] of cases) {
    test(name, async ({ node }) => {
      const netns = node.addPod("web");
      await node.serve();
      const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
      expect(reply.exitCode).toBe(1);
      expect(reply.json).toMatchObject({ code, msg: expect.stringMatching(sentence) });
      expect(await node.leftovers()).toEqual([]);
    });
  }
});

test("settings without effect are remarked on once for a configuration", async ({ node }) => {
  const [netns, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  const conf = confOf({ num_queues: 4 });
  for (const one of [conf, conf, { ...conf, runtimeConfig: {} }, confOf()]) {
    await node.call({ verb: "ADD", container, netns, pod: "web", conf: one });
  }
  expect(node.reports).toEqual([expect.stringMatching(/k8s-pod-network.*num_queues/)]);
  const more = confOf({ num_queues: 4, readiness_gates: ["http://localhost/ready"] });
  await node.call({ verb: "ADD", container: "other", netns: db, pod: "db", conf: more });
  expect(node.reports).toEqual([expect.anything(), expect.stringContaining("readiness_gates")]);
});

test("malformed variables are all named", async ({ node }) => {
  await node.serve();
  const reply = await node.call({ verb: "ADD", container: "../x", interfaceName: "a/b" });
  expect(reply.json).toMatchObject({ code: 4, msg: expect.stringMatching(/CONTAINERID.*IFNAME.*NETNS/) });
  expect((await node.call({ verb: "MAKE" })).json).toMatchObject({ code: 4 });
});

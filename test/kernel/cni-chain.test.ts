import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { vethName } from "../../src/cni/veth-name.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const veth = vethName("shop", "web");

/** What a plugin before ours may have made. */
const earlier = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "host0", mac: "02:00:00:00:00:01" },
    { name: "dummy0", mac: "02:00:00:00:00:02", sandbox: "/run/x", mtu: 1400 },
  ],
  ips: [{ interface: 1, address: "10.66.0.2/24", gateway: "10.66.0.1" }],
  routes: [{ dst: "10.66.0.0/16", gw: "10.66.0.1", mtu: 1300, priority: 50 }],
  dns: { nameservers: ["10.96.0.10"], search: ["example"] },
};

/** Runs one of Debian's plugins on the node, after ours. */
function runNext(node: CniNode, verb: string, netns: string, conf: Record<string, unknown>) {
  const program = join("/usr/lib/cni", String(conf["type"]));
  return node.call({ verb, container, netns, pod: "web", conf, program, within: node.netns });
}

test("in the middle of a chain the answer has what was made before, and the next plugin understands it", async ({
  node,
}) => {
  const netns = node.addPod("web");
  await node.serve();
  const conf = confOf({ cniVersion: "1.0.0", dns: { nameservers: ["10.96.0.11"] } });
  const { json } = await node.call({
    verb: "ADD",
    container,
    netns,
    pod: "web",
    conf: { ...conf, prevResult: earlier },
  });
  const address = `${node.addressesOf(container)[0]}/32`;
  expect(json).toEqual({
    cniVersion: "1.0.0",
    interfaces: [
      { name: "host0", mac: "02:00:00:00:00:01" },
      { name: "dummy0", mac: "02:00:00:00:00:02", sandbox: "/run/x" },
      { name: veth, mac: "ee:ee:ee:ee:ee:ee" },
      { name: "eth0", mac: expect.any(String), sandbox: netns },
    ],
    ips: [
      { interface: 1, address: "10.66.0.2/24", gateway: "10.66.0.1" },
      { interface: 3, address },
    ],
    routes: [{ dst: "10.66.0.0/16", gw: "10.66.0.1" }],
    dns: { nameservers: ["10.96.0.10", "10.96.0.11"], search: ["example"] },
  });
  const check = await node.call({ verb: "CHECK", container, netns, pod: "web", conf: { ...conf, prevResult: json } });
  expect(check.text).toBe("");
  const ports = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
  const portmap = { name: conf["name"], cniVersion: "1.0.0", type: "portmap", runtimeConfig: ports, prevResult: json };
  const mapped = await runNext(node, "ADD", netns, portmap);
  expect(mapped.json).toMatchObject({ interfaces: json["interfaces"], ips: json["ips"] });
});

test("what a later plugin changed and told is right, and what nobody told is not", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const conf = confOf({ cniVersion: "1.0.0", container_settings: {} });
  const made = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  const tuning = {
    name: conf["name"],
    cniVersion: "1.0.0",
    type: "tuning",
    mac: "02:aa:00:00:00:01",
    sysctl: { "net.ipv4.ip_forward": "1" },
  };
  const { json } = await runNext(node, "ADD", netns, { ...tuning, prevResult: made.json });
  const check = (prevResult: unknown) =>
    node.call({ verb: "CHECK", container, netns, pod: "web", conf: { ...conf, prevResult } });
  expect((await check(json)).text).toBe("");
  expect((await check(made.json)).json["msg"]).toMatch(/the pod's eth0 has MAC 02:aa:00:00:00:01, not /);
});

test("an interface of the wanted name that another plugin made is an error, and stays as it is", async ({ node }) => {
  const netns = node.addPod("web");
  await node.run(netns, ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"]);
  const before = await node.run(netns, ["ip", "-o", "link"]);
  await node.serve();
  const conf = confOf({ cniVersion: "1.0.0", prevResult: earlier });
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  expect(reply.json).toMatchObject({ code: 7, msg: expect.stringMatching(/^Cannot add eth0: .*another plugin/) });
  expect(await node.run(netns, ["ip", "-o", "link"])).toBe(before);
  await expectNothingLeft(node);
  expect((await node.call({ verb: "ADD", container, netns, pod: "web", conf, interfaceName: "eth1" })).exitCode).toBe(
    0,
  );
  expect(await node.run(netns, ["ip", "-o", "link"])).toContain("eth1");
});

test("a prevResult that is none is refused before anything is made", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.66.0.2" }] };
  const call = { container, netns, pod: "web", conf: confOf({ cniVersion: "1.0.0", prevResult }) };
  for (const verb of ["ADD", "CHECK"]) {
    const { json } = await node.call({ verb, ...call });
    expect(json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/prevResult: ips\.0\.address: must be an address with its mask/),
    });
  }
  await expectNothingLeft(node, netns);
});

test("nodename_file must name this node where it can be read", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const file = join(node.folder, "nodename");
  const add = (path: string) =>
    node.call({ verb: "ADD", container, netns, pod: "web", conf: confOf({ nodename_file: path }) });
  await writeFile(file, "node-2\n");
  expect((await add(file)).json).toMatchObject({
    code: 7,
    msg: expect.stringMatching(/nodename_file .* holds "node-2".*"node-1"/),
  });
  await expectNothingLeft(node, netns);
  await writeFile(file, "node-1\n");
  for (const path of [file, join(node.folder, "missing"), node.folder]) expect((await add(path)).exitCode).toBe(0);
});

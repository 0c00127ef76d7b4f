import { expect } from "vitest";
import { vethName } from "../../src/cni/veth-name.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { container, test } from "./cni-test.ts";

const veth = vethName("shop", "web");

/** Wires a pod; answers its namespace and how to CHECK it. */
async function wired(node: CniNode, changes: Record<string, unknown> = {}) {
  const netns = node.addPod("web");
  const conf = confOf({ cniVersion: "1.1.0", ipam: { type: "calico-ipam", assign_ipv6: true }, ...changes });
  const { json } = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  const check = async () => {
    const call = { verb: "CHECK", container, netns, pod: "web", conf: { ...conf, prevResult: json } };
    return String((await node.call(call)).json["msg"] ?? "");
  };
  expect(await check()).toBe("");
  return { netns, check };
}

test("CHECK sees what became of either end of the pair", async ({ node }) => {
  await node.serve();
  const { netns, check } = await wired(node);
  const steps: readonly (readonly [string, readonly string[], readonly string[], RegExp])[] = [
    // Lower it may be, as a later plugin of a chain has made it.
    [netns, ["mtu", "1451"], ["mtu", "1300"], /the pod's eth0 has MTU 1451, not 1450/],
    [node.netns, ["mtu", "1300"], ["mtu", "1450"], /the node's cali\w+ has MTU 1300, not 1450/],
    [
      node.netns,
      ["address", "ee:ee:ee:ee:ee:ef"],
      ["address", "ee:ee:ee:ee:ee:ee"],
      /the node's cali\w+ has MAC ee:ee:ee:ee:ee:ef/,
    ],
  ];
  for (const [where, worse, better, sentence] of steps) {
    const link = where === netns ? "eth0" : veth;
    await node.run(where, ["ip", "link", "set", link, ...worse]);
    expect(await check()).toMatch(sentence);
    await node.run(where, ["ip", "link", "set", link, ...better]);
    expect(await check()).toBe("");
  }
  await node.run(netns, ["ip", "link", "set", "eth0", "address", "02:00:00:00:00:07"]);
  expect(await check()).toMatch(/the pod's eth0 has MAC 02:00:00:00:00:07/);
});

test("CHECK sees the pod's settings", async ({ node }) => {
  await node.serve();
  const { netns, check } = await wired(node);
  const set = (key: string, value: string) => node.run(netns, ["sh", "-c", `echo ${value} > /proc/sys/net/${key}`]);
  for (const [key, worse, better] of [
    ["ipv4/ip_forward", "0", "1"],
    ["ipv6/conf/all/forwarding", "0", "1"],
    ["ipv6/conf/eth0/accept_dad", "1", "0"],
  ] as const) {
    await set(key, worse);
    expect(await check()).toContain(`the pod's sysctl net/${key} is not ${better}`);
    await set(key, better);
    expect(await check()).toBe("");
  }
});

test("CHECK lets a pod forward that was not made to", async ({ node }) => {
  await node.serve();
  const { netns, check } = await wired(node, { container_settings: {} });
  await node.run(netns, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  expect(await check()).toBe("");
});

test("CHECK sees where the pod's routes lead", async ({ node }) => {
  await node.serve();
  const ipam = { type: "calico-ipam", routes: [{ dst: "10.9.0.0/16" }] };
  const { netns, check } = await wired(node, { ipam });
  await node.run(netns, ["ip", "route", "replace", "default", "dev", "eth0"]);
  expect(await check()).toContain("the pod has no route 0.0.0.0/0 via 169.254.1.1 dev eth0");
  await node.run(netns, ["ip", "route", "replace", "default", "via", "169.254.1.1", "dev", "eth0"]);
  await node.run(netns, ["ip", "route", "replace", "10.9.0.0/16", "dev", "lo"]);
  expect(await check()).toContain("the pod has no route 10.9.0.0/16 via 169.254.1.1 dev eth0");
});

test("CHECK tells what policy the kernel lost, and nothing while the agent does not know it", async ({ node }) => {
  const state = { faults: [] as string[], unready: undefined as string | undefined };
  const asked: string[] = [];
  await node.serve({
    unready: () => state.unready,
    policyFaults: async ({ hostInterface }) => {
      asked.push(hostInterface);
      return state.faults;
    },
  });
  const { check, netns } = await wired(node);
  state.faults = ["there is no chain cali-fw-x", "chain cali-tw-x has 0 rules, not 3"];
  expect(await check()).toMatch(/^Cannot confirm eth0 of .*: there is no chain cali-fw-x; chain cali-tw-x has 0 rules/);
  expect(new Set(asked)).toEqual(new Set([veth]));
  state.unready = "it has just begun";
  expect(await check()).toMatch(/^Cannot confirm the policy of eth0 .* yet: it has just begun/);
  // What is certain is told all the same.
  await node.run(netns, ["ip", "address", "flush", "dev", "eth0"]);
  expect(await check()).toContain("has no address");
});

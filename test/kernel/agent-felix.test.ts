import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { parseCalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";
import { shop } from "./shop-pod.ts";

let namespace: TestNamespace;
let host: NamespaceHost;
let netlink: Netlink;
let setNetlink: SetNetlink;
let felix: Felix;
let logged: string[];

beforeEach(() => {
  namespace = makeNamespace();
  host = new NamespaceHost(namespace.name);
  netlink = openNetlink(namespace.path);
  setNetlink = openSetNetlink(namespace.path);
  logged = [];
  felix = new Felix({
    podsToCome: () => 0,
    calculator: new NodeCalculator("node-1" as NodeName),
    dataplane: new Dataplane({
      rules: new IptablesRules({ host, sets: setNetlink, print: printTable }),
      routes: new NetlinkRouteDriver(netlink, "cali"),
      shapings: { upsert: async () => {}, prune: async () => {}, forget: () => {} },
    }),
    renderOptions: defaultRenderOptions,
    clock: systemClock,
    logger: pino({}, { write: (line: string) => logged.push(JSON.parse(line).msg) }),
  });
});

afterEach(() => {
  felix.stop();
  netlink.close();
  setNetlink.close();
  namespace[Symbol.dispose]();
});

const sh = (...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, ...argv], { encoding: "utf8", stdio: "pipe" });

const pool = (cidr: string): Change => {
  const value = parseIpPool({ metadata: { name: "pool" }, spec: { cidr, natOutgoing: true } });
  return { kind: "ipPool", key: "pool", value };
};

const nets = Array.from({ length: 250 }, (_, index) => `10.0.${index}.0/24`);
/** It allows by so many rules, each from all of these networks. */
const policy = (name: string, count: number): Change => {
  const ingress = Array.from({ length: count }, () => ({ action: "Allow", source: { nets } }));
  const json = { metadata: { name, namespace: "shop", uid: name }, spec: { ingress } };
  return { kind: "calicoNetworkPolicy", key: namespacedName("shop", name), value: parseCalicoNetworkPolicy(json) };
};

test("writes nothing before everything was listed once, and then all of it", async () => {
  const applied = felix.apply([pool("192.168.0.0/16")]);
  await sleep(200);
  expect(host.ran).toEqual([]);
  await felix.begin();
  await applied;
  expect(sh("ipset", "save", "cali40masq-ipam-pools")).toContain("add cali40masq-ipam-pools 192.168.0.0/16");
  expect(sh("iptables", "-S", "FORWARD")).toContain("-j cali-FORWARD");
});

test("leaves the kernel alone when a change says nothing new", async () => {
  await felix.begin();
  await felix.apply([pool("192.168.0.0/16")]);
  host.ran.length = 0;
  await felix.apply([pool("192.168.0.0/16")]);
  expect(host.ran).toEqual([]);
  await felix.apply([pool("10.0.0.0/16")]);
  expect(sh("ipset", "save", "cali40network-ip-pools")).toContain("add cali40network-ip-pools 10.0.0.0/16");
});

test("tries a refused pass again until the kernel takes it, and says so", async () => {
  // Somebody else's set has our name, and their rule holds it.
  sh("ipset", "create", "cali40masq-ipam-pools", "hash:ip");
  sh("iptables", "-A", "INPUT", "-m", "set", "--match-set", "cali40masq-ipam-pools", "src", "-j", "RETURN");
  const begun = felix.begin();
  await expect.poll(() => logged).toContain("cannot bring the kernel to the plan");
  sh("iptables", "-F", "INPUT");
  await begun;
  expect(sh("ipset", "save", "cali40masq-ipam-pools")).toContain("create cali40masq-ipam-pools hash:net");
  expect(logged.at(-1)).toBe("the kernel holds the plan");
});

test("a policy that no kernel could hold is closed, and the node goes on", async () => {
  await felix.begin();
  await felix.apply([...shop(), policy("huge", 1000), policy("modest", 2)]);
  const [huge, modest] = felix.policiesInForce()?.policies ?? [];
  expect(huge).toMatchObject({ id: "np/shop/huge", problems: [expect.stringContaining("It denies everything")] });
  expect(modest).toMatchObject({ id: "np/shop/modest", problems: [] });
  expect(felix.closedPolicies).toBe(1);
  const rules = sh("iptables-save", "-t", "filter").split("\n");
  const [ofHuge, ofModest] = ["huge", "modest"].map((name) => rules.filter((one) => one.includes(`"np/shop/${name} `)));
  expect(ofHuge).toEqual([expect.stringMatching(/^-A cali-pi-.* -j DROP$/)]);
  expect(ofModest).toHaveLength(2);
  await felix.apply([policy("huge", 1)]);
  expect(felix.closedPolicies).toBe(0);
  expect(logged.filter((one) => one.includes("too large"))).toHaveLength(1);
});

test("a proof finds what others changed, a pass that is wanted does not wait for it, and a repair puts it right", async () => {
  const rules = new Set(["rules"] as const);
  /** As the sentinel asks: again as long as something is written. */
  const settled = async () => {
    for (;;) {
      const found = await felix.drift(rules);
      if (found !== undefined) return found;
      await sleep(10);
    }
  };
  expect(await felix.drift(rules)).toBeUndefined();
  await felix.begin();
  expect(await settled()).toEqual([]);
  sh("iptables", "-F", "cali-FORWARD");
  const proof = felix.drift(rules);
  await felix.apply([pool("192.168.0.0/16")]);
  // Overtaken, it says nothing; and the pass has not taken what it read for what is there now.
  expect(await proof).toBeUndefined();
  expect(sh("ipset", "save", "cali40masq-ipam-pools")).toContain("add cali40masq-ipam-pools 192.168.0.0/16");
  expect(await settled()).toMatchObject([{ part: "rules", where: "chain cali-FORWARD of IPv4 table filter" }]);
  await felix.repair();
  expect(sh("iptables", "-S", "cali-FORWARD").trim().split("\n").length).toBeGreaterThan(1);
  expect(await settled()).toEqual([]);
});

test("stopped before it began, it rejects whoever waits", async () => {
  const waiting = felix.apply([pool("192.168.0.0/16")]);
  felix.stop();
  await expect(waiting).rejects.toThrow("Cannot finish the pass");
});

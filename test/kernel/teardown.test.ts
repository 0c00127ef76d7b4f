import { execFileSync, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { teardown } from "../../src/agent/teardown/teardown.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NetlinkQdiscDriver } from "../../src/felix/dataplane/qdisc-driver.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import type { Nftables } from "../../src/host/netlink/nftables.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import type { TrafficControl } from "../../src/host/netlink/traffic-control.ts";
import { openTrafficControl } from "../../src/host/netlink/traffic-netlink.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { smallPlan } from "../unit/felix/small-plan.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let kernel: { netlink: Netlink; sets: SetNetlink; nftables: Nftables; trafficControl: TrafficControl };
let told: string[];

beforeEach(() => {
  namespace = makeNamespace();
  const { path } = namespace;
  kernel = {
    ...{ netlink: openNetlink(path), sets: openSetNetlink(path) },
    ...{ nftables: openNftables(path), trafficControl: openTrafficControl(path) },
  };
  told = [];
});

afterEach(() => {
  for (const one of Object.values(kernel)) one.close();
  namespace[Symbol.dispose]();
});

const sh = (...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, ...argv], { encoding: "utf8", stdio: "pipe" });

const tearDown = () =>
  teardown({
    ...kernel,
    ...{ host: new NamespaceHost(namespace.name), interfacePrefix: "cali", routeProtocol: 3, clock: systemClock },
    tell: (line) => told.push(line),
  });

const variants = ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];
const savers = variants.map((variant) => `${variant}-save`);

/** Everything that could be touched, as text without times and counts of packets. */
const everything = () => [
  ...savers.map((saver) =>
    sh(saver)
      .replaceAll(/^#.*\n/gm, "")
      .replaceAll(/\[\d+:\d+\]/g, ""),
  ),
  ...[
    ["ipset", "save"],
    ["nft", "list", "ruleset"],
    ["ip", "route"],
    ["ip", "-6", "route"],
    ["tc", "qdisc"],
  ].map((argv) => sh(...argv).replaceAll(/packets \d+ bytes \d+/g, "")),
];

/** Rules of others in every chain that we use, and of everything else something. */
function makeForeign(): void {
  // Link-local addresses come when they like.
  sh("sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1");
  const chains = {
    raw: ["PREROUTING", "OUTPUT"],
    mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    filter: ["INPUT", "FORWARD", "OUTPUT"],
  };
  for (const variant of variants) {
    for (const [table, names] of Object.entries(chains)) {
      sh(variant, "-t", table, "-N", "KUBE-OTHERS");
      sh(
        variant,
        "-t",
        table,
        "-A",
        "KUBE-OTHERS",
        "-p",
        "tcp",
        "-m",
        "comment",
        "--comment",
        "calico: no, cali",
        "-j",
        "RETURN",
      );
      for (const name of names)
        sh(variant, "-t", table, "-A", name, "-m", "mark", "--mark", "0x4/0x4", "-j", "KUBE-OTHERS");
    }
  }
  sh("ipset", "create", "others", "hash:net");
  sh("ipset", "add", "others", "10.99.0.0/16");
  sh("ipset", "create", "cali-others", "hash:ip");
  sh("nft", "add table inet calico; add chain inet calico x; add table ip others; add chain ip others y");
  for (const [name, address] of [
    ["calia1", "10.0.0.1"],
    ["eth0", "10.1.0.1"],
  ] as const) {
    namespace.ip("link", "add", name, "type", "veth", "peer", "name", `${name}p`);
    namespace.ip("link", "set", name, "up");
    namespace.ip("link", "set", `${name}p`, "up");
    namespace.ip("addr", "add", `${address}/24`, "dev", name);
  }
  namespace.ip("route", "add", "10.99.0.1/32", "dev", "eth0", "protocol", "boot");
  namespace.ip("route", "add", "10.99.0.2/32", "dev", "calia1", "protocol", "static");
  sh("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "1mbit", "burst", "10kb", "limit", "10kb");
}

/** A node's whole state, by the variant. */
async function makeOurs(variant: "nft" | "legacy"): Promise<void> {
  const { netlink, sets, trafficControl } = kernel;
  const host = new NamespaceHost(namespace.name, (name) => name.replace(/^(ip6?tables)/, `$1-${variant}`));
  const dataplane = new Dataplane({
    rules: new IptablesRules({ host, sets, print: printTable }),
    routes: new NetlinkRouteDriver(netlink, "cali", { removesExternal: false }),
    shapings: new NetlinkQdiscDriver({
      ...{ netlink, trafficControl, interfacePrefix: "cali" },
      onRefused: (_, error) => {
        throw error;
      },
    }),
  });
  const bucket = { rate: 125_000, burst: 10_000, limit: 10_000 };
  const destination = parseCidr("10.0.0.77/32");
  const state = {
    ...render(smallPlan, defaultRenderOptions),
    routes: new Map([[destination, { destination, hostInterface: "calia1" }]]),
    shapings: new Map([["calia1", { ingress: bucket, egress: bucket }]]),
  };
  await dataplane.apply(state);
}

test.for(["nft", "legacy"] as const)(
  "what is ours goes, of iptables-%s and all else, and nothing of others",
  async (variant) => {
    makeForeign();
    const [before, links] = [everything(), namespace.ip("link")];
    await makeOurs(variant);
    sh("nft", "add table ip calico; add chain ip calico filter-cali-FORWARD; add table ip6 calico");
    const between = everything();
    // The test would prove nothing if there was nothing to remove of some kind.
    expect(between.filter((text, index) => text === before[index])).toHaveLength(3);
    expect(await tearDown()).toBe(0);
    expect(everything()).toEqual(before);
    expect(namespace.ip("link")).toBe(links);
    expect(told).toEqual([
      "removed 1 route to pods",
      "removed the shaping of pods' traffic",
      expect.stringMatching(new RegExp(`^removed \\d+ chains and \\d+ rules from iptables-${variant}$`)),
      expect.stringMatching(new RegExp(`^removed \\d+ chains and \\d+ rules from ip6tables-${variant}$`)),
      expect.stringMatching(/^removed \d+ sets$/),
      "removed the nftables table ip calico",
      "removed the nftables table ip6 calico",
    ]);
    told = [];
    expect(await tearDown()).toBe(0);
    expect(told).toEqual([]);
  },
);

test("a chain and a set of ours that rules of others use stay, and are told", async () => {
  sh("iptables-nft", "-N", "cali-FORWARD");
  sh("iptables-nft", "-A", "cali-FORWARD", "-j", "DROP");
  sh("iptables-nft", "-A", "FORWARD", "-j", "cali-FORWARD");
  sh("ipset", "create", "cali40s:x", "hash:net");
  sh("iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "cali40s:x", "src", "-j", "DROP");
  expect(await tearDown()).toBe(0);
  const saved = sh("iptables-nft-save");
  expect(saved).toContain("-A FORWARD -j cali-FORWARD");
  expect(saved).not.toContain("-A cali-FORWARD");
  expect(told).toContain("left the chain filter cali-FORWARD of iptables-nft, now empty: a rule of others leads to it");
  expect(told).toContain("left the set cali40s:x: a rule of others uses it");
});

test("what cannot be removed is told, and the rest is gone on with", async () => {
  sh("ipset", "create", "cali40s:x", "hash:net");
  const host = new NamespaceHost(namespace.name, (name) => (name.startsWith("ip6tables-legacy") ? "false" : name));
  const tell = (line: string) => told.push(line);
  expect(await teardown({ ...kernel, host, interfacePrefix: "cali", routeProtocol: 3, clock: systemClock, tell })).toBe(
    1,
  );
  expect(told).toEqual([expect.stringContaining("Cannot remove the rules of ip6tables-legacy: "), "removed 1 set"]);
});

test("nothing is removed while an agent runs, and a socket that nobody serves is none", async () => {
  const cniSocket = join(tmpdir(), `mgt-teardown-${process.pid}.sock`);
  const module = join(import.meta.dirname, "../../src/agent/teardown/run-teardown.ts");
  // In the namespace, as what it is asked not to do must not be done here.
  const script = `
    import { runTeardown } from ${JSON.stringify(module)};
    await runTeardown(console.log, { cniSocket: ${JSON.stringify(cniSocket)} });`;
  const node = [process.execPath, "--input-type=module", "--eval", script];
  sh("ipset", "create", "cali40s:x", "hash:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(cniSocket, resolve));
  const refused = spawnSync("ip", ["netns", "exec", namespace.name, ...node], { encoding: "utf8" });
  expect([refused.status, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toContain(
    `Cannot tear down: an agent runs on this node, as its socket ${cniSocket} answers. End it first`,
  );
  expect(sh("ipset", "list", "-name")).toBe("cali40s:x\n");
  await new Promise((resolve) => server.close(resolve));
  expect(sh(...node)).toMatch(/^removed 1 set\n/);
});

test("the command tears down the namespace that it runs in, with routes of the protocol that the environment names", () => {
  sh("ipset", "create", "cali40s:x", "hash:net");
  sh("ip", "link", "add", "cali1", "type", "veth", "peer", "peer1");
  sh("ip", "link", "set", "cali1", "up");
  sh("ip", "route", "add", "10.9.0.1/32", "dev", "cali1", "proto", "80", "scope", "link");
  sh("ip", "route", "add", "10.9.0.2/32", "dev", "cali1", "proto", "boot", "scope", "link");
  const argv = ["netns", "exec", namespace.name, join(import.meta.dirname, "../../bin/margay"), "agent", "--teardown"];
  const env = { PATH: process.env["PATH"], FELIX_DEVICEROUTEPROTOCOL: "80" };
  const { stdout, status, stderr } = spawnSync("ip", argv, { encoding: "utf8", env });
  expect([stderr, status]).toEqual(["", 0]);
  expect(stdout).toMatch(/^removed 1 route to pods\nremoved 1 set\n/);
  expect(sh("ipset", "list", "-name")).toBe("");
  expect(sh("ip", "-4", "route")).toMatch(/^10\.9\.0\.2 dev cali1 [^\n]*\n$/);
});

import { execFileSync } from "node:child_process";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import { attachmentKey } from "../../src/api/objects.ts";
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
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const nothing = async () => undefined;

for (const variant of ["nft", "legacy"]) {
  let namespace: TestNamespace;
  let host: NamespaceHost;
  let netlink: Netlink;
  let felix: Felix;

  beforeEach(() => {
    namespace = makeNamespace();
    host = new NamespaceHost(namespace.name, (name) => name.replace(/^(ip6?tables)/, `$1-${variant}`));
    netlink = openNetlink(namespace.path);
    const dataplane = new Dataplane({
      rules: new IptablesRules({ host, sets: openSetNetlink(namespace.path), print: printTable }),
      routes: new NetlinkRouteDriver(netlink, "cali"),
      shapings: { upsert: nothing, prune: nothing, forget: () => undefined },
    });
    const parts = { dataplane, renderOptions: defaultRenderOptions, clock: systemClock };
    felix = new Felix({
      podsToCome: () => 0,
      ...parts,
      calculator: new NodeCalculator("node-1" as NodeName),
      logger: pino({ level: "silent" }),
    });
  });

  afterEach(() => {
    felix.stop();
    netlink.close();
    namespace[Symbol.dispose]();
  });

  const sh = (name: string, ...argv: readonly string[]) =>
    execFileSync("ip", ["netns", "exec", namespace.name, name.replace(/^(ip6?tables)/, `$1-${variant}`), ...argv]);

  const attached = (hostInterface: string): Change => {
    const pod = namespacedName("shop", hostInterface);
    const common = { containerId: hostInterface, interfaceName: "eth0", netns: "/run/netns/x", podUid: undefined };
    const value = { ...common, hostInterface, pod, addresses: [], mtu: 1500 };
    return { kind: "attachment", key: attachmentKey(value), value };
  };

  test(`what the kernel lost of one endpoint's rules is told, and no other's (${variant})`, async () => {
    await felix.begin();
    await felix.apply(["calia1", "calia2", "calib1"].map(attached));
    host.ran.length = 0;
    expect(await felix.policyFaults("calia1")).toEqual([]);
    // Two chains and the dispatch to them, of both families, and never a whole table.
    expect(host.ran).toEqual([...Array(6).fill("iptables"), ...Array(6).fill("ip6tables")]);
    sh("iptables", "-F", "cali-fw-calia1");
    expect(await felix.policyFaults("calia1")).toEqual([
      expect.stringMatching(/^chain cali-fw-calia1 of iptables .* has 0 rules, not \d+$/),
    ]);
    expect(await felix.policyFaults("calia2")).toEqual([]);
    sh("ip6tables", "-I", "cali-tw-calia2", "-j", "ACCEPT");
    expect(await felix.policyFaults("calia2")).toEqual([expect.stringContaining("cali-tw-calia2 of ip6tables")]);
    sh("ip6tables", "-D", "cali-tw-calia2", "-j", "ACCEPT");
    sh("iptables", "-R", "cali-to-wl-dispatch-a", "1", "-o", "calia1", "-j", "ACCEPT");
    expect(await felix.policyFaults("calia2")).toEqual([
      "chain cali-to-wl-dispatch-a of iptables table filter has other rules than were made",
    ]);
    expect(await felix.policyFaults("calib1")).toEqual([]);
  });

  test(`a chain that is gone, and an endpoint that nobody made rules for, are told (${variant})`, async () => {
    await felix.begin();
    await felix.apply([attached("cali1")]);
    expect(await felix.policyFaults("cali2")).toEqual([
      expect.stringContaining("IPv4 rules"),
      expect.stringContaining("IPv6 rules"),
    ]);
    for (const chain of ["cali-from-wl-dispatch-1", "cali-fw-cali1"]) sh("iptables", "-F", chain);
    sh("iptables", "-X", "cali-fw-cali1");
    expect(await felix.policyFaults("cali1")).toEqual([
      "there is no chain cali-fw-cali1 of iptables table filter",
      expect.stringContaining("cali-from-wl-dispatch-1 of iptables"),
    ]);
  });
}

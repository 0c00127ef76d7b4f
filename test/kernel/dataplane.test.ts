import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import type { DesiredState, IpSet, Rule, Table } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { openMonitor } from "../../src/host/netlink/monitor.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

type Variant = "nft" | "legacy";

let namespace: TestNamespace;
/** The programs that `iptables` and its like are links to. */
let variant: Variant = "nft";

const programOf = (name: string) => name.replace(/^(ip6?tables)/, `$1-${variant}`);
const sh = (program: string, ...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, programOf(program), ...argv], { encoding: "utf8" });

let netlink: Netlink;
let setNetlink: SetNetlink;
let host: NamespaceHost;
let dataplane: Dataplane;

/** Shaping has tests of its own. */
const noShapings = { upsert: async () => {}, prune: async () => {}, forget: () => {} };

function newDataplane(): Dataplane {
  return new Dataplane({
    rules: new IptablesRules({ host, sets: setNetlink, print: printTable }),
    routes: new NetlinkRouteDriver(netlink, "cali"),
    shapings: noShapings,
  });
}

beforeEach(() => {
  namespace = makeNamespace();
  namespace.ip("link", "set", "lo", "up");
  netlink = openNetlink(namespace.path);
  setNetlink = openSetNetlink(namespace.path);
  host = new NamespaceHost(namespace.name, programOf);
  dataplane = newDataplane();
});

afterEach(() => {
  netlink.close();
  setNetlink.close();
  namespace[Symbol.dispose]();
});

const setOf = (name: string, members: readonly string[], more: Partial<IpSet> = {}): IpSet => ({
  name,
  type: "hash:net",
  version: 4,
  maxElements: 1024,
  members: new Set(members),
  ...more,
});

const accept: Rule = { matches: [], action: { kind: "accept" } };
const jump = (chain: string): Rule => ({ matches: [], action: { kind: "jump", chain } });
const fromSet = (set: string): Rule => ({
  matches: [{ kind: "set", side: "source", set, negated: false }],
  action: { kind: "drop" },
  comment: "Policy knp/a/b ingress 0",
});

function stateOf(parts: {
  chains?: Record<string, Rule[]>;
  sets?: IpSet[];
  routes?: Record<string, string>;
}): DesiredState {
  const table: Table = {
    version: 4,
    name: "filter",
    chains: new Map(Object.entries(parts.chains ?? {})),
    hooks: new Map(
      parts.chains === undefined ? [] : [["FORWARD", { inserted: [jump("cali-FORWARD")], appended: [accept] }]],
    ),
  };
  return {
    sets: new Map((parts.sets ?? []).map((set) => [set.name, set])),
    tables: new Map([["4/filter", table]]),
    shapings: new Map(),
    routes: new Map(
      Object.entries(parts.routes ?? {}).map(([cidr, hostInterface]) => {
        const destination = parseCidr(cidr);
        return [destination, { destination, hostInterface }];
      }),
    ),
  };
}

const full = stateOf({
  chains: { "cali-FORWARD": [fromSet("cali40s:one"), jump("cali-x")], "cali-x": [accept] },
  sets: [setOf("cali40s:one", ["10.0.0.1", "10.0.0.2"])],
});

/** Applies the state, and has everything go that it does not use, as far as the kernel lets go of it. */
async function settle(one: Dataplane, state: DesiredState): Promise<void> {
  await one.apply(state);
  await vi.waitFor(async () => expect(await one.tidy(state)).toBe(true), { timeout: 10_000, interval: 20 });
}

const forwardChain = () => sh("iptables", "-S", "FORWARD").trim().split("\n").slice(1);
const members = (name: string) => sh("ipset", "save", name).trim().split("\n").slice(1).sort();

describe.for<Variant>(["nft", "legacy"])("rules and sets, variant %s", (one) => {
  beforeEach(() => {
    variant = one;
  });

  test("come, and go without a trace of ours", async () => {
    sh("iptables", "-A", "FORWARD", "-m", "comment", "--comment", "theirs", "-j", "RETURN");
    await dataplane.apply(full);
    expect(members("cali40s:one")).toEqual(["add cali40s:one 10.0.0.1", "add cali40s:one 10.0.0.2"]);
    expect(forwardChain().map((rule) => /-j (\S+)/.exec(rule)?.[1])).toEqual(["cali-FORWARD", "RETURN", "ACCEPT"]);

    await settle(dataplane, stateOf({}));
    expect(sh("ipset", "list", "-n")).toBe("");
    expect(sh("iptables-save")).not.toContain("cali");
    expect(forwardChain()).toEqual(["-A FORWARD -m comment --comment theirs -j RETURN"]);
  });

  test("that are right are not written again, also by a newcomer without memory", async () => {
    await dataplane.apply(full);
    host.ran.length = 0;
    await dataplane.apply(full);
    expect(host.ran).toEqual([]);
    await newDataplane().apply(full);
    expect(host.ran.sort()).toEqual(["ip6tables-save", "ipset", "iptables-save"]);
  });

  test("of a family that is not wanted any more go", async () => {
    const ipv6: Table = { version: 6, name: "filter", chains: new Map([["cali-x", [accept]]]), hooks: new Map() };
    await dataplane.apply({ ...full, tables: new Map([["6/filter", ipv6] as const, ...full.tables]) });
    expect(sh("ip6tables-save")).toContain(":cali-x");
    await newDataplane().apply(full);
    expect(sh("ip6tables-save")).not.toContain("cali");
  });

  test("change by their difference", async () => {
    await dataplane.apply(full);
    const next = stateOf({
      chains: { "cali-FORWARD": [fromSet("cali40s:two")] },
      sets: [setOf("cali40s:two", ["10.0.0.2", "10.0.0.3"])],
    });
    await settle(dataplane, next);
    expect(sh("ipset", "list", "-n").trim()).toBe("cali40s:two");
    expect(sh("iptables", "-S", "cali-FORWARD")).toContain("--match-set cali40s:two src");
    expect(sh("iptables-save")).not.toContain("cali-x");
    await newDataplane().apply(next);
    expect(members("cali40s:two")).toHaveLength(2);
  });

  test("that rules still use are told of, and stay", async () => {
    await dataplane.apply(full);
    expect(await dataplane.tidy({ ...full, sets: new Map() })).toBe(false);
    expect(members("cali40s:one")).toHaveLength(2);
  });

  test("take members in and out without starting a program", async () => {
    await dataplane.apply(full);
    host.ran.length = 0;
    const changed = setOf("cali40s:one", ["10.0.0.2", "10.1.0.0/16"]);
    await dataplane.apply({ ...full, sets: new Map([[changed.name, changed]]) });
    expect(host.ran).toEqual([]);
    expect(members("cali40s:one")).toEqual(["add cali40s:one 10.0.0.2", "add cali40s:one 10.1.0.0/16"]);
  });

  test("go on after the program that writes them was killed", async () => {
    await dataplane.apply(full);
    const pid = sh("pgrep", "-n", "-f", `netns exec ${namespace.name} iptables|^iptables-${one}-restore`).trim();
    process.kill(Number(pid), "SIGKILL");
    await vi.waitFor(() => expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH"));
    await dataplane.apply(stateOf({ chains: { "cali-FORWARD": [accept] } }));
    expect(sh("iptables", "-S", "cali-FORWARD").trim().split("\n")).toHaveLength(2);
  });

  test("of a newcomer put right what others did meanwhile", async () => {
    await dataplane.apply(full);
    sh("iptables", "-I", "FORWARD", "1", "-j", "ACCEPT");
    sh("iptables", "-F", "cali-FORWARD");
    sh("ipset", "del", "cali40s:one", "10.0.0.1");
    sh("ipset", "create", "cali40s:stale", "hash:ip");
    sh("ipset", "create", "theirs", "hash:ip");
    await settle(newDataplane(), full);
    expect(forwardChain()[0]).toContain("cali-FORWARD");
    expect(sh("iptables", "-S", "cali-FORWARD").trim().split("\n")).toHaveLength(3);
    expect(members("cali40s:one")).toHaveLength(2);
    expect(sh("ipset", "list", "-n").trim().split("\n").sort()).toEqual(["cali40s:one", "theirs"]);
  });

  test("get room in a set without a moment in which rules find it empty or gone", async () => {
    await dataplane.apply(full);
    const roomier = setOf("cali40s:one", ["10.0.0.1", "10.0.0.3"], { maxElements: 4096 });
    await dataplane.apply({ ...full, sets: new Map([[roomier.name, roomier]]) });
    expect(sh("ipset", "save", "cali40s:one")).toContain("maxelem 4096");
    expect(members("cali40s:one")).toEqual(["add cali40s:one 10.0.0.1", "add cali40s:one 10.0.0.3"]);
    expect(sh("ipset", "list", "-n").trim()).toBe("cali40s:one");
    await newDataplane().apply({ ...full, sets: new Map([[roomier.name, roomier]]) });
  });

  test("make a set anew without what an earlier attempt has left half done", async () => {
    await dataplane.apply(full);
    sh("ipset", "create", "cali4ts:one", "hash:net", "maxelem", "4096");
    sh("ipset", "add", "cali4ts:one", "192.0.2.0/24");
    const roomier = setOf("cali40s:one", ["10.0.0.1"], { maxElements: 4096 });
    await dataplane.apply({ ...full, sets: new Map([[roomier.name, roomier]]) });
    expect(members("cali40s:one")).toEqual(["add cali40s:one 10.0.0.1"]);
  });

  test("replace an unused set of another type, and networks are the members that the kernel prints", async () => {
    sh("ipset", "create", "cali40s:one", "hash:ip");
    const networks = setOf("cali40s:one", ["10.1.0.0/16", "10.0.0.1/32"]);
    const state = { ...full, sets: new Map([[networks.name, networks]]) };
    await dataplane.apply(state);
    expect(members("cali40s:one")).toEqual(["add cali40s:one 10.0.0.1", "add cali40s:one 10.1.0.0/16"]);
    host.ran.length = 0;
    await newDataplane().apply(state);
    expect(host.ran.sort()).toEqual(["ip6tables-save", "ipset", "iptables-save"]);
  });

  test("know a member again that the kernel spells in its own way", async () => {
    const spelled = setOf("cali60s:one", ["::ffff:102:304", "::102:304", "2001:db8::1"], {
      type: "hash:net",
      version: 6,
    });
    const state = { ...full, sets: new Map([...full.sets, [spelled.name, spelled]]) };
    await dataplane.apply(state);
    expect(sh("ipset", "save", "cali60s:one")).toContain("::ffff:1.2.3.4");
    host.ran.length = 0;
    await newDataplane().apply(state);
    expect(host.ran.sort()).toEqual(["ip6tables-save", "ipset", "iptables-save"]);
  });

  test("of a table that is not wanted any more go, and others' stay in it", async () => {
    const mangle: Table = {
      version: 4,
      name: "mangle",
      chains: new Map([["cali-PREROUTING", [accept]]]),
      hooks: new Map([["PREROUTING", { inserted: [jump("cali-PREROUTING")], appended: [] }]]),
    };
    const with4 = { ...full, tables: new Map([["4/mangle", mangle] as const, ...full.tables]) };
    sh("iptables", "-t", "mangle", "-A", "PREROUTING", "-m", "comment", "--comment", "theirs", "-j", "RETURN");
    await dataplane.apply(with4);
    const rules = () => sh("iptables", "-t", "mangle", "-S", "PREROUTING").trim().split("\n").slice(1);
    expect(rules().map((rule) => /-j (\S+)/.exec(rule)?.[1])).toEqual(["cali-PREROUTING", "RETURN"]);
    host.ran.length = 0;
    await dataplane.apply(full);
    expect(rules()).toEqual(["-A PREROUTING -m comment --comment theirs -j RETURN"]);
    expect(sh("iptables-save", "-t", "mangle")).not.toContain("cali-");
    await dataplane.apply(with4);
    await newDataplane().apply(full);
    expect(sh("iptables-save", "-t", "mangle")).not.toContain("cali-");
    expect(sh("iptables", "-S", "cali-FORWARD").trim().split("\n")).toHaveLength(3);
  });

  test("that the kernel refuses leave the table as it was, and the next attempt starts from the kernel", async () => {
    await dataplane.apply(full);
    const before = sh("iptables-save");
    const broken = stateOf({ chains: { "cali-FORWARD": [fromSet("cali40s:missing")], "cali-x": [accept] } });
    await expect(dataplane.apply({ ...broken, sets: full.sets })).rejects.toThrow("Set cali40s:missing doesn't exist");
    expect(sh("iptables-save").replaceAll(/^#.*$/gm, "")).toBe(before.replaceAll(/^#.*$/gm, ""));
    host.ran.length = 0;
    await dataplane.apply(full);
    expect(host.ran.sort()).toEqual(["ip6tables-save", "ipset", "iptables-save"]);
  });
});

describe("routes", () => {
  const routes = () =>
    namespace
      .ip("route")
      .trim()
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  const veth = (name: string) => {
    namespace.ip("link", "add", name, "type", "veth", "peer", "name", `p${name.slice(-3)}`);
    namespace.ip("link", "set", name, "up");
  };

  test("stand on the interfaces that are there, move, and go", async () => {
    veth("cali001");
    veth("cali002");
    namespace.ip("route", "add", "10.9.0.0/16", "dev", "lo");
    namespace.ip("route", "add", "10.8.0.0/16", "dev", "cali002", "proto", "static");
    namespace.ip("addr", "add", "10.7.0.1/24", "dev", "cali002");
    await dataplane.apply(stateOf({ routes: { "10.0.0.1/32": "cali001", "10.0.0.2/32": "cali-gone" } }));
    expect(routes().filter((line) => line.startsWith("10.0.0"))).toEqual([
      expect.stringMatching(/^10\.0\.0\.1 dev cali001 .*scope link/),
    ]);
    await dataplane.apply(stateOf({ routes: { "10.0.0.1/32": "cali002" } }));
    expect(routes().filter((line) => line.startsWith("10.0.0"))).toEqual([expect.stringContaining("dev cali002")]);
    await newDataplane().apply(stateOf({}));
    // The kernel's own stays, and what leads elsewhere.
    expect(routes()).toEqual([expect.stringMatching(/^10\.7\.0\.0\/24/), expect.stringMatching(/^10\.9\.0\.0\/16/)]);
  });

  test("of others to our interfaces stay where they may, and those of our protocol go", async () => {
    veth("cali001");
    namespace.ip("route", "add", "10.8.0.0/16", "dev", "cali001", "proto", "static");
    namespace.ip("route", "add", "10.7.0.0/16", "dev", "cali001", "proto", "80");
    const driver = new NetlinkRouteDriver(netlink, "cali", { protocol: 80, removesExternal: false });
    const destination = parseCidr("10.0.0.1/32");
    const wanted = new Map([[destination, { destination, hostInterface: "cali001" }]]);
    await driver.prune(wanted);
    await driver.upsert(wanted);
    expect(routes()).toEqual([
      expect.stringMatching(/^10\.0\.0\.1 dev cali001 proto 80 scope link/),
      expect.stringMatching(/^10\.8\.0\.0\/16/),
    ]);
    expect(await driver.drift(wanted)).toEqual([]);
  });

  test.for([4, 6] as const)(
    "of IPv%i get another metric and source with no moment in which they are not there",
    async (version) => {
      veth("cali001");
      const [destination, source] = version === 4 ? ["10.0.0.1/32", "10.5.0.1"] : ["fd00::1/128", "fd05::1"];
      namespace.ip("addr", "add", source, "dev", "lo");
      const driver = new NetlinkRouteDriver(netlink, "cali");
      const key = parseCidr(destination);
      const wanted = (more: object) => new Map([[key, { destination: key, hostInterface: "cali001", ...more }]]);
      const shown = () => namespace.ip(`-${version}`, "route", "show", destination).trim().split("\n");
      await driver.upsert(wanted({}));
      const present = new Set([version === 4 ? 0 : 1024]);
      const counts: number[] = [];
      const monitor = openMonitor({
        netns: namespace.path,
        onEvent: (event) => {
          if (event.kind !== "route" || event.route.destination !== key) return;
          const { metric = 0 } = event.route;
          if (event.verb === "new") present.add(metric);
          else present.delete(metric);
          counts.push(present.size);
        },
      });
      // By a newcomer, as after an upgrade.
      const newcomer = new NetlinkRouteDriver(netlink, "cali");
      for (const more of [{ metric: 512 }, { metric: 100, source: parseIp(source) }, { metric: 100 }]) {
        await newcomer.prune(wanted(more));
        await newcomer.upsert(wanted(more));
        expect(shown()).toEqual([expect.stringContaining(`metric ${more.metric}`)]);
        expect(shown()[0]?.includes("src")).toBe("source" in more);
        expect(await newcomer.drift(wanted(more))).toEqual([]);
      }
      // Two metrics came and two went, and the source changed in place.
      await vi.waitFor(() => expect(counts).toEqual([2, 1, 2, 1, 1]));
      await monitor.close();
    },
  );

  test("ask for no more links than they have to be written, and come back in tidying when their interface was made anew", async () => {
    const asked: string[] = [];
    const counting: Netlink = new Proxy(netlink, {
      get: (target, name) => {
        if (name === "link" || name === "links") asked.push(name);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const counted = new Dataplane({
      rules: new IptablesRules({ host, sets: setNetlink, print: printTable }),
      routes: new NetlinkRouteDriver(counting, "cali"),
      shapings: noShapings,
    });
    veth("cali001");
    veth("cali002");
    await counted.apply(stateOf({ routes: { "10.0.0.1/32": "cali001" } }));
    asked.splice(0);
    const state = stateOf({ routes: { "10.0.0.1/32": "cali001", "10.0.0.2/32": "cali002" } });
    await counted.apply(state);
    expect(asked.splice(0)).toEqual(["link"]);
    await counted.apply({ ...state, routes: new Map(state.routes) });
    expect(asked.splice(0)).toEqual([]);
    expect(routes()).toHaveLength(2);
    namespace.ip("link", "del", "cali001");
    veth("cali001");
    expect(routes()).toHaveLength(1);
    await counted.tidy(state);
    expect(routes()).toHaveLength(2);
  });

  test("come back when their interface was made anew", async () => {
    veth("cali001");
    const state = stateOf({ routes: { "10.0.0.1/32": "cali001" } });
    await dataplane.apply(state);
    namespace.ip("link", "del", "cali001");
    veth("cali001");
    expect(routes()).toEqual([]);
    await dataplane.apply(state);
    expect(routes()).toHaveLength(1);
  });
});

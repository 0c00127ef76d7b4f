import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { IpsetDriver } from "../../src/felix/dataplane/ipset-driver.ts";
import type { IpSet } from "../../src/felix/render/desired-state.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { parseIp } from "../../src/net/ip.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const set4 = "cali40n:one";
const set6 = "cali60n:one";
const ports4 = ["10.0.0.1,tcp:80", "10.0.0.1,udp:80", "10.0.0.2,sctp:65535", "10.0.0.3,udplite:1"];
/** The kernel spells the second one in its own way. */
const ports6 = ["2001:db8::1,sctp:256", "::ffff:102:304,tcp:80"];
const printed6 = ["2001:db8::1,sctp:256", "::ffff:1.2.3.4,tcp:80"];

let namespace: TestNamespace;
let netlink: SetNetlink;
let host: NamespaceHost;
let driver: IpsetDriver;

beforeEach(() => {
  namespace = makeNamespace();
  netlink = openSetNetlink(namespace.path);
  host = new NamespaceHost(namespace.name, (program) => program);
  driver = new IpsetDriver(host, netlink);
});

afterEach(() => {
  netlink.close();
  namespace[Symbol.dispose]();
});

test("sets of ports are made whole, and a newcomer finds them as they should be", async () => {
  await driver.upsert(setsOf(ports4, ports6));
  expect(membersOf(set4)).toEqual(ports4);
  expect(membersOf(set6)).toEqual(printed6);
  await expectFoundRight(ports4, ports6);
});

test("members come and go one by one, without a program", async () => {
  await driver.upsert(setsOf([], []));
  host.ran.length = 0;
  await driver.upsert(setsOf(ports4, ports6));
  expect(membersOf(set4)).toEqual(ports4);
  expect(membersOf(set6)).toEqual(printed6);
  const fewer = ["10.0.0.1,udp:80", "10.0.0.9,tcp:443"];
  await driver.upsert(setsOf(fewer, []));
  expect(membersOf(set4)).toEqual(fewer);
  expect(membersOf(set6)).toEqual([]);
  expect(host.ran).toEqual([]);
  await expectFoundRight(fewer, []);
});

test.for(["10.0.0.1,tcp:81", "10.0.0.1,icmp:8/0", "10.0.0.1,47:0"])("%s, put in by others, goes", async (member) => {
  await driver.upsert(setsOf(ports4, []));
  ipset("add", set4, member);
  ipset("del", set4, "10.0.0.1,tcp:80");
  await new IpsetDriver(host, netlink).upsert(setsOf(ports4, []));
  expect(membersOf(set4)).toEqual(ports4);
  expect(ipset("list", "-n").trim().split("\n").sort()).toEqual([set4, set6]);
});

test("a port of a protocol that they cannot hold is refused, and so is one of a set that is not there", async () => {
  await driver.upsert(setsOf([], []));
  await expect(driver.upsert(setsOf(["10.0.0.1,dccp:80"], []))).rejects.toThrow(
    "Cannot put 10.0.0.1,dccp:80 into a set: it cannot hold ports of dccp",
  );
  const member = { ip: parseIp("10.0.0.1"), protocol: 6, port: 80 };
  await expect(netlink.change([{ verb: "add", set: "cali40n:gone", member }])).rejects.toThrow(
    "add 10.0.0.1,6:80 (set cali40n:gone)",
  );
});

// --- internal ---

function setsOf(members4: readonly string[], members6: readonly string[]): ReadonlyMap<string, IpSet> {
  const about = { type: "hash:ip,port", maxElements: 1024 } as const;
  return new Map<string, IpSet>([
    [set4, { ...about, name: set4, version: 4, members: new Set(members4) }],
    [set6, { ...about, name: set6, version: 6, members: new Set(members6) }],
  ]);
}

function ipset(...argv: readonly string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace.name, "ipset", ...argv], { encoding: "utf8" });
}

function membersOf(name: string): readonly string[] {
  const lines = ipset("save", name).trim().split("\n").slice(1);
  return lines.map((line) => line.replace(`add ${name} `, "")).toSorted();
}

/** Somebody without memory reads, and writes nothing. */
async function expectFoundRight(members4: readonly string[], members6: readonly string[]): Promise<void> {
  const before = ipset("save");
  host.ran.length = 0;
  const calls: unknown[] = [];
  const watched: SetNetlink = {
    change: async (changes) => void calls.push(...changes),
    destroy: async () => [],
    close: () => undefined,
  };
  await new IpsetDriver(host, watched).upsert(setsOf(members4, members6));
  expect([host.ran, calls]).toEqual([["ipset"], []]);
  expect(ipset("save")).toBe(before);
}

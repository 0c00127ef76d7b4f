import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ConntrackNetlink, openConntrackNetlink } from "../../src/host/netlink/conntrack-netlink.ts";
import { parseIp } from "../../src/net/ip.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let connections: ConntrackNetlink;

beforeEach(() => {
  namespace = makeNamespace();
  connections = openConntrackNetlink(namespace.path);
});

afterEach(() => {
  connections.close();
  namespace[Symbol.dispose]();
});

const conntrack = (...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, "conntrack", ...argv], { encoding: "utf8", stdio: "pipe" });

function connect(from: string, to: string, answeredBy = to, port = 4444): void {
  const original = ["--orig-src", from, "--orig-dst", to, "--reply-src", answeredBy, "--reply-dst", from];
  conntrack(
    "--create",
    ...original,
    "--proto",
    "udp",
    "--sport",
    `${port}`,
    "--dport",
    "5353",
    "--reply-port-src",
    "5353",
    "--reply-port-dst",
    `${port}`,
    "--timeout",
    "120",
  );
}

test("what an address had is forgotten: asked, asking, and behind a Service; others' connections stay", async () => {
  connect("10.0.0.1", "10.0.0.2");
  connect("10.0.0.3", "10.0.0.1");
  connect("10.0.0.4", "10.96.0.10", "10.0.0.1");
  connect("10.0.0.3", "10.0.0.2");
  connect("fd00::1", "fd00::2");
  connect("fd00::3", "fd00:96::1", "fd00::2");
  connect("fd00::3", "fd00::4");
  expect(conntrack("--dump").trim().split("\n")).toHaveLength(7);

  await connections.forget([parseIp("10.0.0.1"), parseIp("fd00::2")]);
  expect(conntrack("--dump").trim().split("\n").sort()).toEqual([
    expect.stringContaining("src=10.0.0.3 dst=10.0.0.2"),
    expect.stringContaining("src=fd00::3 dst=fd00::4"),
  ]);
});

test("an address without connections is no error", async () => {
  await connections.forget([parseIp("10.0.0.1"), parseIp("fd00::1")]);
});

test("many are forgotten, more than fit one request", async () => {
  for (let port = 1; port <= 300; port++) connect("10.0.0.1", "10.0.0.2", undefined, port);
  await connections.forget([parseIp("10.0.0.2")]);
  expect(conntrack("--dump")).toBe("");
});

test("connections are found by who asks and who answers, as policy judged them", async () => {
  connect("10.0.0.1", "10.0.0.2");
  connect("10.0.0.4", "10.96.0.10", "10.0.0.1", 4445);
  connect("10.0.0.3", "10.0.0.2");
  connect("fd00::3", "fd00::2");
  const ping = ["--orig-src", "10.0.0.9", "--orig-dst", "10.0.0.1", "--timeout", "120"];
  conntrack("--create", ...ping, "--proto", "icmp", "--icmp-type", "8", "--icmp-code", "0", "--icmp-id", "7");
  const found = await connections.find([parseIp("10.0.0.1"), parseIp("fd00::2")]);
  const ends = found.map(({ handle: _, ...rest }) => rest);
  expect(ends.sort((a, b) => (a.source < b.source ? -1 : 1))).toEqual([
    { source: "10.0.0.1", destination: "10.0.0.2", protocol: 17, sourcePort: 4444, destinationPort: 5353 },
    { source: "10.0.0.4", destination: "10.0.0.1", protocol: 17, sourcePort: 4445, destinationPort: 5353 },
    { source: "10.0.0.9", destination: "10.0.0.1", protocol: 1, icmp: { type: 8, code: 0 } },
    { source: "fd00::3", destination: "fd00::2", protocol: 17, sourcePort: 4444, destinationPort: 5353 },
  ]);
});

test("just those that were found are ended, and not what came after them between the same ends", async () => {
  connect("10.0.0.1", "10.0.0.2");
  connect("10.0.0.1", "10.0.0.2", undefined, 4445);
  connect("10.0.0.1", "10.0.0.2", undefined, 4446);
  const found = await connections.find([parseIp("10.0.0.2")]);
  expect(found).toHaveLength(3);
  conntrack("--delete", "--proto", "udp", "--sport", "4445");
  // The kernel makes its number of where it stands in memory, among others: so another stands there first.
  connect("10.0.0.3", "10.0.0.4");
  connect("10.0.0.1", "10.0.0.2", undefined, 4445);
  await connections.end(found.filter(({ sourcePort }) => sourcePort !== 4446));
  const left = await connections.find([parseIp("10.0.0.2")]);
  expect(left.map(({ sourcePort }) => sourcePort).sort()).toEqual([4445, 4446]);
});

test("what is in a zone is not found", async () => {
  const zone = ["--create", "--zone", "7", "--proto", "udp", "--sport", "1", "--dport", "2", "--timeout", "120"];
  conntrack(...zone, "--orig-src", "10.0.0.1", "--orig-dst", "10.0.0.2");
  expect(conntrack("--dump")).toContain("zone=7");
  expect(await connections.find([parseIp("10.0.0.1")])).toEqual([]);
});

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

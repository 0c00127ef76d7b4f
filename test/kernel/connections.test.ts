import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { forgetConnections } from "../../src/felix/dataplane/connections.ts";
import type { Host } from "../../src/host/host.ts";
import { parseIp } from "../../src/net/ip.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let host: Host;

beforeEach(() => {
  namespace = makeNamespace();
  host = new NamespaceHost(namespace.name);
});

afterEach(() => namespace[Symbol.dispose]());

const conntrack = (...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, "conntrack", ...argv], { encoding: "utf8", stdio: "pipe" });

function connect(from: string, to: string, answeredBy = to): void {
  const original = ["--orig-src", from, "--orig-dst", to, "--reply-src", answeredBy, "--reply-dst", from];
  conntrack(
    "--create",
    ...original,
    "--proto",
    "udp",
    "--sport",
    "4444",
    "--dport",
    "5353",
    "--reply-port-src",
    "5353",
    "--reply-port-dst",
    "4444",
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
  expect(conntrack("--dump").trim().split("\n")).toHaveLength(5);

  await forgetConnections(host, [parseIp("10.0.0.1"), parseIp("fd00::2")]);
  expect(conntrack("--dump").trim().split("\n")).toEqual([expect.stringContaining("src=10.0.0.3 dst=10.0.0.2")]);
});

test("an address without connections is no error", async () => {
  await forgetConnections(host, [parseIp("10.0.0.1"), parseIp("fd00::1")]);
});

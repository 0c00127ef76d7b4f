import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { KernelEvent } from "../../src/host/netlink/kernel-event.ts";
import { openMonitor } from "../../src/host/netlink/monitor.ts";
import { isOwnPort } from "../../src/host/netlink/own-ports.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let events: KernelEvent[];
const run = (...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, ...argv], { encoding: "utf8" });

beforeEach(() => {
  namespace = makeNamespace();
  events = [];
});

afterEach(() => namespace[Symbol.dispose]());

function follow(follows?: Parameters<typeof openMonitor>[0]["follows"]) {
  const options = { netns: namespace.path, onEvent: (event: KernelEvent) => void events.push(event) };
  return openMonitor(follows === undefined ? options : { ...options, follows });
}

const seen = (expected: readonly unknown[]) => vi.waitFor(() => expect(events).toEqual(expected), { timeout: 10_000 });

test("links, addresses and routes are told of as they change", async () => {
  const monitor = follow();
  namespace.ip("link", "add", "cali1", "mtu", "1400", "type", "veth", "peer", "name", "p1");
  namespace.ip("addr", "add", "10.0.0.1/24", "dev", "cali1");
  namespace.ip("link", "set", "cali1", "name", "other");
  namespace.ip("link", "set", "lo", "up");
  namespace.ip("route", "add", "blackhole", "10.9.0.0/16", "metric", "7");
  namespace.ip("route", "add", "10.8.0.0/16", "dev", "lo", "table", "100");
  namespace.ip("route", "del", "blackhole", "10.9.0.0/16");
  namespace.ip("link", "del", "other");
  await vi.waitFor(
    () =>
      expect(
        events.filter(({ kind, ...rest }) => kind === "link" && "verb" in rest && rest.verb === "gone"),
      ).toHaveLength(2),
    { timeout: 10_000 },
  );
  await monitor.close();
  const said = events.flatMap((event): readonly string[] => {
    if (event.kind === "link") return [`${event.verb} ${event.name} ${event.up} ${event.mtu}`];
    if (event.kind === "address")
      return event.ip.includes(":") ? [] : [`${event.verb} ${event.ip}/${event.prefixLength}`];
    if (event.kind !== "route" || event.route.destination.includes(":")) return [];
    expect(event.by.port).toBeGreaterThan(0);
    return [`${event.verb} ${event.route.type} ${event.route.destination} ${event.route.metric}`];
  });
  // Some are told of twice, and in an order of the kernel's.
  expect([...new Set(said)].sort()).toEqual(
    [
      "new p1 false 1500",
      "new cali1 false 1400",
      "new 10.0.0.1/24",
      "new other false 1400",
      "new 127.0.0.1/8",
      "new lo true 65536",
      "new blackhole 10.9.0.0/16 7",
      "gone blackhole 10.9.0.0/16 7",
      "gone 10.0.0.1/24",
      "gone other false 1400",
      "gone p1 false 1500",
    ].sort(),
  );
});

test("a transaction of nf_tables is one event that says who", async () => {
  const monitor = follow(({ table }) => table === "calico");
  run("nft", "add table ip calico; add chain ip calico x; add rule ip calico x accept; add rule ip calico x drop");
  run("nft", "add table inet other; add chain inet other x; add rule inet other x accept");
  run("nft", "add table inet calico; delete table ip calico");
  const by = { port: expect.any(Number), pid: expect.any(Number), process: "nft" };
  const change = (verb: string, what: string, version: number | undefined, name?: string) => ({
    verb,
    what,
    version,
    table: "calico",
    name,
  });
  await seen([
    {
      kind: "nftables",
      by,
      changes: [change("new", "table", 4), change("new", "chain", 4, "x"), change("new", "rule", 4, "x")],
    },
    {
      kind: "nftables",
      by,
      changes: [
        change("new", "table", undefined),
        change("gone", "rule", 4, "x"),
        change("gone", "chain", 4, "x"),
        change("gone", "table", 4),
      ],
    },
  ]);
  await monitor.close();
});

test("events that were lost are told of, and later ones come", async () => {
  const monitor = openMonitor({
    netns: namespace.path,
    onEvent: (event) => void events.push(event),
    receiveBufferBytes: 65_536,
  });
  const destinations = Array.from(
    { length: 5000 },
    (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`,
  );
  namespace.ip("link", "set", "lo", "up");
  // The program runs while this process reads nothing.
  const lines = destinations.map((destination) => `route add blackhole ${destination}\n`).join("");
  execFileSync("ip", ["-n", namespace.name, "-batch", "-"], { input: lines });
  const some = (is: (event: KernelEvent) => boolean) => expect(events.some(is)).toBe(true);
  await vi.waitFor(() => some(({ kind }) => kind === "overrun"), { timeout: 30_000 });
  // The kernel tells of nothing more until all that waits has been read.
  const isLater = (event: KernelEvent) => event.kind === "route" && event.route.destination.startsWith("192.0.2.");
  let attempt = 0;
  await vi.waitFor(
    () => {
      namespace.ip("route", "replace", "blackhole", `192.0.2.${++attempt % 256}/32`);
      some(isLater);
    },
    { timeout: 30_000, interval: 200 },
  );
  await monitor.close();
});

test("what this process does bears a port that is known for its own", async () => {
  const monitor = follow();
  namespace.ip("link", "set", "lo", "up");
  const netlink = openNetlink(namespace.path);
  await netlink.replaceRoutes([{ destination: parseCidr("10.1.0.0/16"), type: "blackhole" }]);
  netlink.close();
  namespace.ip("route", "add", "blackhole", "10.2.0.0/16");
  const owners = () =>
    events.flatMap((event) =>
      event.kind === "route" && event.route.type === "blackhole"
        ? [[event.route.destination, isOwnPort(event.by.port)]]
        : [],
    );
  await vi.waitFor(
    () =>
      expect(owners()).toEqual([
        ["10.1.0.0/16", true],
        ["10.2.0.0/16", false],
      ]),
    { timeout: 10_000 },
  );
  await monitor.close();
});

test("a program of another container does not pass for this process, though it has its process ID", async () => {
  const monitor = follow();
  namespace.ip("link", "set", "lo", "up");
  const netlink = openNetlink(namespace.path);
  await netlink.replaceRoutes([{ destination: parseCidr("10.1.0.0/16"), type: "blackhole" }]);
  netlink.close();
  const script = `echo ${process.pid - 1} > /proc/sys/kernel/ns_last_pid; ip route add blackhole 10.2.0.0/16; true`;
  run("unshare", "--pid", "--fork", "--mount-proc", "sh", "-ec", script);
  const ports = () =>
    events.flatMap((event) =>
      event.kind === "route" && event.route.destination === "10.2.0.0/16" ? [event.by.port] : [],
    );
  await vi.waitFor(() => expect(ports()).toEqual([process.pid]), { timeout: 10_000 });
  expect(isOwnPort(process.pid)).toBe(false);
  await monitor.close();
});

test("a monitor that was closed tells of nothing more", async () => {
  const monitor = follow();
  await monitor.close();
  namespace.ip("link", "set", "lo", "up");
  expect(events).toEqual([]);
});

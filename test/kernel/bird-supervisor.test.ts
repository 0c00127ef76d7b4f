/** What BIRD's supervisor (lab/bird.sh) does for routes while BIRD is away, and for whom a BIRD that goes waits. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import { killChild } from "./kill-child.ts";

const lab = join(import.meta.dirname, "..", "..", "lab");
const eventually = { timeout: 20_000, interval: 50 };

test("routes that a restarted BIRD deletes before it knows better stay in force, and go in the end", async () => {
  const { fabric, host } = await machine();
  const bird = ["proto", "bird", "metric", "32"];
  const hops = ["nexthop", "via", "172.18.1.1", "dev", "eth0", "nexthop", "via", "172.18.1.3", "dev", "eth0"];
  await fabric.ip(host, "route", "add", "192.168.5.0/26", ...bird, ...hops);
  await fabric.ip(host, "route", "add", "192.168.6.0/26", "via", "172.18.1.1", ...bird);
  await fabric.ip(host, "route", "add", "blackhole", "192.168.7.0/26", ...bird);
  await fabric.ip(host, "-6", "route", "add", "fd01::/64", "via", "fd00::1", ...bird);
  const before = await nextHops(fabric, host);
  await supervise(host, configuration(""), "4");
  const all = () =>
    Promise.all([fabric.ip(host, "route"), fabric.ip(host, "-6", "route")]).then((text) => text.join(""));
  await vi.waitFor(async () => expect(await all()).not.toContain("proto bird"), eventually);
  expect(await nextHops(fabric, host)).toEqual(before);
  expect(await all()).not.toContain("192.168.7.0/26");
  await vi.waitFor(async () => expect(await all()).not.toMatch(/192\.168\.|fd01::/), eventually);
});

test("a BIRD that is told to go while it recovers from a restart goes once it has recovered", async () => {
  const { fabric, host } = await machine();
  await fabric.ip(host, "route", "add", "192.168.6.0/26", "via", "172.18.1.1", "proto", "bird", "metric", "32");
  const absent =
    "protocol bgp absent { local 172.18.1.2 as 1; neighbor 172.18.1.9 as 1; graceful restart on; ipv4 {}; }";
  const log = await supervise(host, configuration(absent), "4");
  await vi.waitFor(() => fabric.run(host, "birdc", "-s", host.socketPath, "show", "status"), eventually);
  await fabric.run(host, join(lab, "bird-leave.sh"), dirname(host.socketPath));
  const lines = () => log.join("").match(/Graceful restart started|Graceful restart done|Shutting down/g);
  await vi.waitFor(() => expect(lines()).toContain("Shutting down"), eventually);
  expect(lines()?.slice(0, 3)).toEqual(["Graceful restart started", "Graceful restart done", "Shutting down"]);
});

// --- internal ---

async function machine(): Promise<{ readonly fabric: BgpFabric; readonly host: FabricHost }> {
  const fabric = await BgpFabric.create();
  onTestFinished(() => fabric[Symbol.asyncDispose]());
  const router = await fabric.addRouter({ rack1: "172.18.1.1/24" });
  const link = { rack: "rack1", address: "172.18.1.2/24", gateway: "172.18.1.1" };
  const host = await fabric.addNode("node-1", router, link);
  await fabric.ip(host, "-6", "address", "add", "fd00::2/64", "dev", "eth0", "nodad");
  const folder = join(dirname(host.configPath), "bird");
  await mkdir(folder);
  return { fabric, host: { ...host, configPath: join(folder, "bird.conf"), socketPath: join(folder, "bird.ctl") } };
}

/** Starts it as a container would, until the test is over. What it says. */
async function supervise(host: FabricHost, text: string, keepSeconds: string): Promise<readonly string[]> {
  await writeFile(host.configPath, text);
  const argv = ["netns", "exec", host.netns, "setpriv", "--pdeathsig", "KILL", join(lab, "bird.sh")];
  const child: ChildProcess = spawn("ip", [...argv, dirname(host.configPath), keepSeconds], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => killChild(child));
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => log.push(`${chunk}`));
  return log;
}

function configuration(more: string): string {
  const kernel = (version: 4 | 6) =>
    `protocol kernel kernel_v${version} { persist; graceful restart on; ipv${version} { export where source = RTS_BGP; }; }`;
  const head = "log stderr all; router id 1.1.1.1; graceful restart wait 3; protocol device { scan time 2; }";
  return [head, kernel(4), kernel(6), more].join("\n");
}

/** Where packets to some addresses go, whichever route says so. */
async function nextHops(fabric: BgpFabric, host: FabricHost): Promise<readonly string[]> {
  const show = (family: string, network: string) =>
    fabric.ip(host, family, "-oneline", "route", "show", "root", network);
  const texts = await Promise.all([
    show("-4", "192.168.5.0/26"),
    show("-4", "192.168.6.0/26"),
    show("-6", "fd01::/64"),
  ]);
  return texts.map((text) => [...text.matchAll(/via \S+/g)].join(" "));
}

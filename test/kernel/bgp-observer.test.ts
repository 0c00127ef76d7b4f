import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { BgpWatch } from "../../src/agent/bgp/bgp-watch.ts";
import { FlightRecorder } from "../../src/agent/bgp/flight-recorder.ts";
import type { NodeName } from "../../src/api/names.ts";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { parseIp } from "../../src/net/ip.ts";
import { stubClient } from "../fakes/stub-client.ts";
import { clusterSnapshot } from "../unit/bgp/cluster.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";

const peer = "Mesh_172_18_1_3";
const absent = "Node_172_18_1_9";
const everything = { peer: undefined, history: 1_000, routes: false };

let fabric: BgpFabric;
let first: FabricHost;
let second: FabricHost;
let folder: string;
let watch: BgpWatch;
let registry: Registry;
const snapshot = clusterSnapshot({ nodes: { "node-2": { ips: ["172.18.1.3"] } } });
const events: string[] = [];

beforeAll(async () => {
  fabric = await BgpFabric.create();
  folder = await mkdtemp(join(tmpdir(), "margay-observer-"));
  const router = await fabric.addRouter({ rack1: "172.18.1.1/24" });
  const rack = { rack: "rack1", gateway: "172.18.1.1" };
  first = await fabric.addNode("node-1", router, { ...rack, address: "172.18.1.2/24" });
  second = await fabric.addNode("node-2", router, { ...rack, address: "172.18.1.3/24" });
  await configure(first, { own: "172.18.1.2", neighbor: "172.18.1.3", block: "192.168.1.0/26" });
  await configure(second, { own: "172.18.1.3", neighbor: "172.18.1.2", block: "192.168.2.0/26" });
  watch = watchOf();
  await watch.start();
});
afterAll(async () => {
  await watch.stop();
  await fabric[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function watchOf(): BgpWatch {
  registry = new Registry();
  return new BgpWatch({
    ...{ node: "node-1" as NodeName, snapshot, client: stubClient(() => ({})), registry },
    ...{ host: new LinuxHost(), clock: systemClock, logger: pino({ level: "silent" }), folder },
    events: { record: (_subject, _type, reason, message) => void events.push(`${reason}: ${message}`) },
    socketPath: first.socketPath,
    ...{ configured: () => undefined, pending: () => ["kept until node-3 is ready"] },
  });
}

interface Words {
  readonly own: string;
  readonly neighbor: string;
  readonly block: string;
  readonly neighborAs?: number;
}

/** Written by hand: how the planned text looks is nothing to the observer. */
async function configure(host: FabricHost, { own, neighbor, block, neighborAs = 64512 }: Words): Promise<void> {
  const session = (name: string, address: string) =>
    `protocol bgp ${name} from mesh { neighbor ${address} as ${neighborAs}; }`;
  const lines = [
    ...["log stderr all;", "timeformat base iso long;", "timeformat protocol iso long;", "timeformat route iso long;"],
    ...[
      `router id ${own};`,
      "graceful restart wait 5;",
      "protocol device { scan time 2; }",
      "protocol direct { ipv4; }",
    ],
    `protocol static static_v4 { ipv4; route ${block} blackhole; }`,
    `template bgp mesh { local ${own} as 64512; multihop; graceful restart on;`,
    "connect delay time 1; connect retry time 1; error wait time 1, 2;",
    "ipv4 { gateway recursive; add paths on; import all; export where source = RTS_STATIC; }; }",
    ...[session(`Mesh_${neighbor.replaceAll(".", "_")}`, neighbor), session(absent, "172.18.1.9")],
  ];
  await writeFile(host.configPath, `${lines.join("\n")}\n`);
}

async function tell(host: FabricHost, command: string): Promise<void> {
  using control = await BirdControl.connect(host.socketPath);
  await control.command(command);
}

const seen = (name = peer) => watch.observer.current.sessions.find((session) => session.name === name);
const history = () => watch.recorder.history({ peer: undefined, last: 1_000 });
const textsOf = (session: string | undefined) =>
  history().flatMap((entry) => (entry.session === session ? [`${entry.kind}: ${entry.text}`] : []));
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const established = () =>
  eventually(() => expect(seen()).toMatchObject({ state: "Established", imported: 1, exported: 1 }));

test("a BIRD that has not started is said to be none", async () => {
  await eventually(() => expect(watch.observer.current.trouble).toContain("BIRD has not started"));
  const answer = await watch.answer(everything);
  expect(answer).toMatchObject({ daemon: undefined, sessions: [], history: [], reconfigurations: 0 });
  expect(watch.condition).toMatchObject({ status: "False", reason: "BirdNotRunning" });
});

test("BIRD's coming is seen, and its sessions with what they carry", async () => {
  await fabric.startBird(first);
  await fabric.startBird(second);
  await established();
  expect(seen()).toMatchObject({ keepsOurRoutes: true, neighborRestarts: false, lastError: undefined });
  expect(seen(absent)).toMatchObject({ keepsOurRoutes: false });
  await eventually(() => expect(seen(absent)?.lastError).toBe("Socket: No route to host"));
  expect(textsOf(undefined)[0]).toMatch(/^daemon: BIRD 2\.\S+, started .+, answers$/);
  expect(watch.condition).toMatchObject({ reason: "SessionsDown", message: expect.stringContaining(absent) });
});

test("the answer names nodes and reasons, and times that mean the same everywhere", async () => {
  const { sessions, daemon, pending, routes, at } = await watch.answer({
    ...everything,
    peer: parseIp("172.18.1.3"),
    routes: true,
  });
  expect(sessions).toEqual([
    expect.objectContaining({
      ...{ name: peer, kind: "mesh", neighbor: "172.18.1.3", neighborNode: "node-2", state: "Established", flaps: 0 },
      ...{ imported: 1, exported: 1 },
    }),
  ]);
  expect(pending).toEqual(["kept until node-3 is ready"]);
  expect(sessions[0]?.since).toBeLessThanOrEqual(at);
  expect(daemon?.lastReboot).toBeLessThanOrEqual(sessions[0]?.since ?? 0);
  const byBgp = routes?.filter(({ protocol }) => protocol === peer);
  expect(byBgp).toEqual([expect.objectContaining({ destination: "192.168.2.0/26", isBest: true })]);
});

test("a notification is kept with all that BIRD says of it, once, and the loss is counted", async () => {
  await tell(second, "disable Mesh_172_18_1_2");
  await eventually(() => expect(seen()).toMatchObject({ state: expect.not.stringMatching("Established") }));
  await tell(second, "enable Mesh_172_18_1_2");
  await established();
  await eventually(async () => {
    const { sessions } = await watch.answer(everything);
    expect(sessions[0]).toMatchObject({ flaps: 1, lastError: "Received: Administrative shutdown" });
  });
  expect(textsOf(peer).filter((text) => text.includes("Administrative shutdown"))).toEqual([
    "error: Received: Administrative shutdown",
  ]);
  expect(textsOf(peer)).toContainEqual(expect.stringMatching(/^state: Established to /));
  expect(textsOf(peer).at(-1)).toMatch(/^state: .* to Established$/);
});

test("a notification with details has them, though BIRD shows less of it afterwards", async () => {
  await configure(second, { own: "172.18.1.3", neighbor: "172.18.1.2", block: "192.168.2.0/26", neighborAs: 64999 });
  await tell(second, "configure");
  await eventually(() => expect(textsOf(peer)).toContain("error: Received: Bad peer AS: 64512"));
  expect(textsOf(peer)).not.toContain("error: Received: Bad peer AS");
  await configure(second, { own: "172.18.1.3", neighbor: "172.18.1.2", block: "192.168.2.0/26" });
  await tell(second, "configure");
  await established();
});

test("each new configuration is counted once", async () => {
  const before = (await watch.answer(everything)).reconfigurations;
  for (let time = 0; time < 2; time++) {
    await tell(first, "configure");
    await eventually(async () => expect((await watch.answer(everything)).reconfigurations).toBe(before + time + 1));
    // Past the second in which BIRD says that it was: the looks that show it must not count it again.
    await systemClock.sleep(2_100);
  }
  expect((await watch.answer(everything)).reconfigurations).toBe(before + 2);
  expect(await registry.metrics()).toContain(`margay_bgp_reconfigurations_total ${before + 2}\n`);
});

test("a neighbour that dies restarts: its routes are kept, and that is seen", async () => {
  await fabric.killBird(second);
  await eventually(() => expect(seen()).toMatchObject({ neighborRestarts: true, imported: 1 }));
  expect(textsOf(peer).at(-1)).toContain("the neighbour restarts, and its routes are kept");
  await eventually(() => expect(events).toContainEqual(expect.stringMatching(/^BGPSessionLost: .*Mesh_172_18_1_3/)));
  await fabric.startBird(second);
  await established();
  await eventually(() => expect(events).toContainEqual(expect.stringMatching(/^BGPSessionEstablished: .*Mesh_172/)));
  expect(events.filter((event) => event.includes(absent))).toEqual([]);
});

test("BIRD's own end and return are seen; the connection is made anew, and its log heard again", async () => {
  await fabric.killBird(first);
  await eventually(() => expect(watch.observer.current.daemon).toBeUndefined());
  expect(await registry.metrics()).toContain("margay_bgp_daemon_up 0\n");
  await fabric.startBird(first);
  await established();
  const daemon = textsOf(undefined).filter((text) => text.startsWith("daemon: BIRD"));
  expect(daemon.map((text) => text.replace(/ 2\..*, (?=answers)/, " "))).toEqual([
    ...["daemon: BIRD answers", expect.stringContaining("BIRD does not answer"), "daemon: BIRD answers"],
  ]);
  const before = (await watch.answer(everything)).reconfigurations;
  await tell(first, "configure");
  await eventually(async () => expect((await watch.answer(everything)).reconfigurations).toBe(before + 1));
});

test("another process knows the history, and begins none of its own while nothing happens", async () => {
  await watch.stop();
  const before = history();
  watch = watchOf();
  await watch.start();
  await established();
  expect(history().slice(0, before.length)).toEqual(before);
  const later = history().slice(before.length);
  expect(later.filter(({ session }) => session === peer)).toEqual([]);
});

test("a line that a full disk has cut is none, and the next begins on a line of its own", async () => {
  const small = join(folder, "small");
  execFileSync("mkdir", [small]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "margay-small", small]);
  try {
    const logged: unknown[] = [];
    const log = (...said: readonly unknown[]) => void logged.push(said.at(-1));
    const parts = { folder: small, host: new LinuxHost(), clock: systemClock, logger: { info: log, warn: log } };
    const recorder = new FlightRecorder(parts);
    await recorder.load();
    for (let number = 0; number < 20; number++) {
      for (const session of ["a", "b", "c", "e"]) recorder.record({ session, kind: "error", text: `error ${number}` });
      await recorder.settled();
    }
    const text = await new LinuxHost().readFile(join(small, "history.jsonl"));
    expect(text).toHaveLength(4096);
    expect(text).not.toMatch(/\n$/);
    execFileSync("mount", ["-o", "remount,size=64k", small]);
    recorder.record({ session: "d", kind: "error", text: "after" });
    await recorder.settled();
    expect(logged).toEqual([expect.stringContaining("cannot write"), expect.stringContaining("written to disk again")]);
    const later = new FlightRecorder(parts);
    await later.load();
    const kept = later.history({ peer: undefined, last: 100 });
    expect(kept.at(-1)).toMatchObject({ session: "d", text: "after" });
    expect(kept.length).toBeGreaterThan(30);
  } finally {
    execFileSync("umount", [small]);
  }
});

test("a full disk keeps nothing but the disk from the history", async () => {
  const full = join(folder, "full");
  execFileSync("mkdir", [full]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "margay-full", full]);
  try {
    await writeFile(join(full, "filler"), "x".repeat(4096)).catch(() => undefined);
    await watch.stop();
    const whole = folder;
    folder = full;
    watch = watchOf();
    folder = whole;
    await watch.start();
    await established();
    await tell(second, "restart Mesh_172_18_1_2");
    await eventually(() => expect(textsOf(peer)).toContain("error: Received: Administrative reset"));
    await watch.recorder.settled();
    expect((await new LinuxHost().readFile(join(full, "history.jsonl"))) || undefined).toBeUndefined();
    await established();
    execFileSync("rm", [join(full, "filler")]);
    await tell(second, "restart Mesh_172_18_1_2");
    await eventually(async () => {
      const text = (await new LinuxHost().readFile(join(full, "history.jsonl"))) ?? "";
      expect(
        text
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line).session),
      ).toContain(peer);
    });
  } finally {
    await watch.stop();
    execFileSync("umount", [full]);
  }
});

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FlightRecorder } from "../../../../src/agent/bgp/flight-recorder.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { testClock } from "../../../fakes/test-clock.ts";

const neighbor = parseIp("10.0.0.2");
const all = { peer: undefined, last: 10_000 };
let folder: string;
let clock: ReturnType<typeof testClock>;
let logged: string[];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "margay-flight-")), "bgp");
  [clock, logged] = [testClock(), []];
});
afterEach(() => rm(join(folder, ".."), { recursive: true }));

async function recorder(maxBytes?: number): Promise<FlightRecorder> {
  const log = (...said: readonly unknown[]) => void logged.push(String(said.at(-1)));
  const made = new FlightRecorder({
    ...{ folder, host: new LinuxHost(), clock, logger: { info: log, warn: log } },
    ...(maxBytes !== undefined && { maxBytes }),
  });
  await made.load();
  return made;
}

const error = (text: string, session = "Mesh_10_0_0_2") => ({ session, neighbor, kind: "error", text }) as const;

test("what was recorded is there for the next process, with its time", async () => {
  const first = await recorder();
  clock.pass(5);
  first.record({ kind: "daemon", text: "BIRD answers" });
  first.record({ ...error("first seen"), kind: "state", to: "Established" });
  const expected = [
    { at: 5, kind: "daemon", text: "BIRD answers" },
    { at: 5, kind: "state", text: "first seen", session: "Mesh_10_0_0_2", neighbor, to: "Established" },
  ];
  expect(first.history(all)).toEqual(expected);
  await first.settled();
  const second = await recorder();
  expect(second.history(all)).toEqual(expected);
  expect(second.lastState("Mesh_10_0_0_2")).toBe("Established");
  expect((await stat(join(folder, "history.jsonl"))).mode & 0o777).toBe(0o600);
  expect(logged).toEqual([]);
});

test("the last of one neighbour come with what concerns the daemon, and nobody else's", async () => {
  const made = await recorder();
  made.record(error("one"));
  made.record({ ...error("of another", "Mesh_10_0_0_3"), neighbor: parseIp("10.0.0.3") });
  made.record({ kind: "daemon", text: "BIRD answers" });
  made.record(error("two"));
  expect(made.history({ peer: neighbor, last: 10 }).map(({ text }) => text)).toEqual(["one", "BIRD answers", "two"]);
  expect(made.history({ peer: neighbor, last: 2 }).map(({ text }) => text)).toEqual(["BIRD answers", "two"]);
  expect(made.history({ peer: undefined, last: 0 })).toEqual([]);
});

test("what repeats, and more than twenty a minute of a session, is counted and not kept", async () => {
  const made = await recorder();
  for (let time = 0; time < 4; time++) made.record(error("Socket: No route to host"));
  made.record(error("another"));
  expect(made.history(all).map(({ text, leftOut }) => [text, leftOut])).toEqual([
    ["Socket: No route to host", undefined],
    ["another", 3],
  ]);
  for (let number = 0; number < 100; number++) made.record(error(`error ${number}`));
  expect(made.history(all)).toHaveLength(20);
  made.record(error("of another", "Mesh_10_0_0_3"));
  expect(made.history(all)).toHaveLength(21);
  clock.pass(60_000);
  made.record(error("a minute later"));
  expect(made.history(all).at(-1)).toMatchObject({ text: "a minute later", leftOut: 82 });
  clock.pass(540_000);
  made.record(error("Socket: No route to host"));
  expect(made.history(all).at(-1)).toMatchObject({ text: "Socket: No route to host" });
});

test.each(["a minute later", "at the end"])(
  "that a session is up after all is told %s, though it was left out",
  async (when) => {
    const made = await recorder();
    for (let time = 0; time < 20; time++) {
      made.record({ ...error(`lost ${time}`), kind: "state", from: "Established", to: "Idle" });
    }
    made.record({ ...error("up"), kind: "state", from: "OpenConfirm", to: "Established" });
    made.tick();
    expect(made.history(all)).toHaveLength(20);
    if (when === "at the end") await made.close();
    else clock.pass(60_000);
    made.tick();
    made.tick();
    expect(made.history(all).slice(20)).toEqual([expect.objectContaining({ text: "up", leftOut: 1 })]);
  },
);

test("that a session still does not come up is no news", async () => {
  const made = await recorder();
  for (let time = 0; time < 20; time++) {
    made.record({ ...error(`on ${time}`), kind: "state", from: "Active", to: "OpenSent" });
    made.record({ ...error(`off ${time}`), kind: "state", from: "OpenSent", to: "Idle" });
  }
  clock.pass(60_000);
  made.tick();
  expect(made.history(all)).toHaveLength(20);
});

test("that a session is lost or established is no repeat", async () => {
  const made = await recorder();
  for (let time = 0; time < 3; time++) {
    made.record({ ...error("lost"), kind: "state", from: "Established", to: "Idle" });
    made.record({ ...error("up"), kind: "state", from: "OpenConfirm", to: "Established" });
  }
  expect(made.history(all)).toHaveLength(6);
});

test("the files are two at most, and no longer than they may be", async () => {
  const made = await recorder(4_000);
  for (let number = 0; number < 300; number++) {
    clock.pass(60_000);
    made.record(error(`error ${number} ${"x".repeat(100)}`));
    await made.settled();
  }
  const names = await readdir(folder);
  expect(names).toHaveLength(2);
  for (const name of names) expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(4_000);
  const kept = (await recorder(4_000)).history(all).map(({ text }) => Number(text.split(" ")[1]));
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 300 - kept.length + index));
  expect(kept.length).toBeGreaterThan(15);
});

test("a line that a crash has cut is skipped, and the next begins on a line of its own", async () => {
  const first = await recorder();
  first.record(error("whole"));
  await first.settled();
  const path = join(folder, "history.jsonl");
  await writeFile(path, `${await readFile(path, "utf8")}{"at":1,"kind":"sta`);
  const second = await recorder();
  expect(second.history(all).map(({ text }) => text)).toEqual(["whole"]);
  second.record(error("after"));
  await second.settled();
  expect((await recorder()).history(all).map(({ text }) => text)).toEqual(["whole", "after"]);
});

test("lines of another form are no entries", async () => {
  const first = await recorder();
  first.record(error("whole"));
  await first.settled();
  const path = join(folder, "history.jsonl");
  await writeFile(path, `null\n[]\n{"at":"noon","kind":"error","text":"x"}\n${await readFile(path, "utf8")}`);
  expect((await recorder()).history(all).map(({ text }) => text)).toEqual(["whole"]);
});

test("a folder that cannot be written is told once, and again when it can; the history goes on in memory", async () => {
  await writeFile(folder, "in the way");
  const made = await recorder();
  logged.splice(0);
  for (const text of ["one", "two"]) {
    made.record(error(text));
    await made.settled();
  }
  expect(logged).toEqual(["cannot write the history of BGP: it goes on in memory only"]);
  expect(made.history(all).map(({ text }) => text)).toEqual(["one", "two"]);
  await rm(folder);
  made.record(error("three"));
  await made.settled();
  expect(logged.at(-1)).toBe("the history of BGP is written to disk again");
  expect((await recorder()).history(all).map(({ text }) => text)).toEqual(["three"]);
});

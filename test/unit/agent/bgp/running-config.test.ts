import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RunningConfig } from "../../../../src/agent/bgp/running-config.ts";
import type { BirdConfig } from "../../../../src/bgp/plan/bird-config.ts";
import { allSessions } from "../../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../../src/bgp/plan/plan-bgp.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "../../bgp/cluster.ts";

let folder: string;
let warned: unknown[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "margay-running-"));
  warned = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = () => join(folder, "running.json");
const configPath = () => join(folder, "bird.conf");

/** What an agent knows that starts now. */
function fresh(): RunningConfig {
  const logger = { warn: (...said: unknown[]) => warned.push(said) };
  return new RunningConfig({ host: new LinuxHost(), path: path(), configPath: configPath(), logger });
}

/** A node's plan in a mesh of so many. */
function planOf(nodes: number, blocks: Readonly<Record<string, string>> = {}): BirdConfig {
  const names = Array.from({ length: nodes }, (_, index) => [`node-${index}`, { ips: [`10.0.0.${index + 1}`] }]);
  const words = { nodes: Object.fromEntries(names), pools: { "192.168.0.0/16": {} }, blocks };
  const config = planBgp(bgpInputs(clusterSnapshot(words), nodeName("node-0")));
  if (config === undefined) throw new Error("there is no plan");
  return config;
}

/** Gives BIRD these values, as far as its file. */
async function give(running: RunningConfig, config: BirdConfig): Promise<void> {
  writeFileSync(configPath(), await running.offer(config, "text"));
}

const sessionsKnown = async () => allSessions((await fresh().read()) ?? planOf(1)).length;

test("the next agent knows by which values BIRD works", async () => {
  expect(await fresh().read()).toBeUndefined();
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  expect(await sessionsKnown()).toBe(2);
  expect(statSync(path()).mode & 0o777).toBe(0o600);
});

test("values that BIRD was given and has not taken are not those that it works by, whenever the agent ends", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  const before = await running.offer(planOf(4), "text");
  expect(await sessionsKnown()).toBe(2);
  writeFileSync(configPath(), before);
  expect(await sessionsKnown()).toBe(2);
  await running.taken();
  expect(await sessionsKnown()).toBe(3);
});

test("a text that another has written has no values that are known", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  for (const text of ["# by hand\n", "# Values: anotherhash\n"]) {
    writeFileSync(configPath(), text);
    expect(await fresh().read()).toBeUndefined();
  }
});

test("a file that is cut short is told of, and counts as none", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  writeFileSync(path(), '{"taken":');
  expect(await fresh().read()).toBeUndefined();
  expect(warned).toHaveLength(1);
});

test("what is told of a file with a wrong character quotes none of it: it holds passwords", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  writeFileSync(path(), '{"taken":"x","entries":{"x":hunter2}}');
  expect(await fresh().read()).toBeUndefined();
  expect(warned).toHaveLength(1);
  const [said] = warned as [readonly [{ readonly err?: unknown }, string]];
  expect(`${JSON.stringify(said)} ${said[0].err}`).not.toContain("hunter");
});

test("values in another release's form are not taken for ours", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  const { form, ...rest } = JSON.parse(readFileSync(path(), "utf8")) as { readonly form: number };
  for (const disk of [rest, { ...rest, form: form + 1 }]) {
    writeFileSync(path(), JSON.stringify(disk));
    expect(await fresh().read()).toBeUndefined();
  }
});

test("a new block writes nothing", async () => {
  const running = fresh();
  await give(running, planOf(3));
  await running.taken();
  const before = statSync(path(), { bigint: true }).mtimeNs;
  await give(running, planOf(3, { "192.168.1.0/26": "host:node-0" }));
  await running.taken();
  expect(statSync(path(), { bigint: true }).mtimeNs).toBe(before);
  expect(await sessionsKnown()).toBe(2);
});

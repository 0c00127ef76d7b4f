import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { SettingsFollower, type SettingsParts } from "../../../../src/agent/settings/settings-follower.ts";
import { SnapshotStore } from "../../../../src/agent/snapshot-store.ts";
import { parseNode } from "../../../../src/api/kubernetes/node.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import type { FelixSettings } from "../../../../src/felix/config/felix-settings.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { felixObject } from "../../felix/config/felix-objects.ts";

/** A node with a real file, a snapshot, and what the follower has told. */
async function world(parts: Partial<SettingsParts> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "margay-settings-"));
  const filePath = join(folder, "felix.cfg");
  const store = new SnapshotStore();
  const told: { settings: FelixSettings; problems: readonly string[] }[] = [];
  const warned: unknown[] = [];
  const changed: unknown[] = [];
  const follower = new SettingsFollower({
    ...{
      node: "a" as NodeName,
      snapshot: store.snapshot,
      environment: {},
      overrides: {},
      host: new LinuxHost(),
      filePath,
    },
    onChange: (settings, problems) => void told.push({ settings, problems }),
    clock: testClock(),
    logger: { info: (facts: unknown) => void changed.push(facts), warn: (facts: unknown) => void warned.push(facts) },
    ...parts,
  });
  onTestFinished(async () => {
    follower.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const say = (name: string, spec: object | undefined, madeAt?: string) => {
    const value = spec && felixObject(name, spec, madeAt);
    follower.touched(store.apply([{ kind: "felixConfiguration", key: name, value }]));
  };
  const label = (labels: Record<string, string>) => {
    const value = parseNode({ metadata: { name: "a", labels } });
    follower.touched(store.apply([{ kind: "node", key: "a" as NodeName, value }]));
  };
  return { follower, told, warned, changed, filePath, say, label };
}

test("it tells once at the start, and then of what has changed only", async () => {
  const { follower, told, say } = await world({ environment: { FELIX_HEALTHPORT: "1" } });
  expect(() => follower.settings).toThrow("Cannot tell the settings before they have been read");
  say("default", { vxlanPort: 8472 });
  expect(told).toEqual([]);
  await follower.start();
  expect(told).toMatchObject([{ settings: { healthPort: 1, vxlanPort: 8472 }, problems: [] }]);

  say("default", { vxlanPort: 8472, healthPort: 2 });
  say("node.b", { vxlanPort: 1 });
  follower.touched(new Set(["pod"]));
  expect(told).toHaveLength(1);
  say("node.a", { vxlanPort: 3 });
  say("node.a", undefined);
  expect(told.slice(1).map(({ settings }) => settings.vxlanPort)).toEqual([3, 8472]);
  expect(follower.settings).toBe(told[2]?.settings);
});

test("settings that stay equal stay the same object, also when a problem comes", async () => {
  const { follower, told, say } = await world();
  await follower.start();
  say("default", { healthPort: 70_000 });
  expect(told).toHaveLength(2);
  expect(told[1]?.problems).toHaveLength(1);
  expect(told[1]?.settings).toBe(told[0]?.settings);
});

test("labels of the node decide which object selects it, as they change", async () => {
  const { follower, told, say, label } = await world();
  await follower.start();
  say("racks", { nodeSelector: "rack == '1'", healthPort: 5 }, "2026-01-01T00:00:00Z");
  say("more", { nodeSelector: "has(rack)", healthPort: 6 }, "2026-01-02T00:00:00Z");
  expect(told).toHaveLength(1);
  label({ rack: "1" });
  expect(told[1]).toMatchObject({
    settings: { healthPort: 5 },
    problems: [expect.stringContaining("only the oldest")],
  });
  label({ rack: "2" });
  expect(told[2]).toMatchObject({ settings: { healthPort: 6 }, problems: [] });
  label({});
  expect(told[3]?.settings.healthPort).toBe(9099);
});

test("the file is followed: made, changed, made wrong and taken away", async () => {
  const { follower, told, filePath } = await world();
  await follower.start();
  const write = (text: string) => new LinuxHost().replaceUnsynced(filePath, `[global]\n${text}\n`);
  const seen = (port: number) => vi.waitFor(() => expect(told.at(-1)?.settings.healthPort).toBe(port));
  await write("HealthPort = 7");
  await seen(7);
  await write("HealthPort = 8");
  await seen(8);
  await write("HealthPort = many");
  await seen(9099);
  expect(told.at(-1)?.problems).toEqual([expect.stringContaining("HealthPort of felix.cfg")]);
  await rm(filePath);
  await vi.waitFor(() => expect(told.at(-1)?.problems).toEqual([]));
});

test("a file that is being written counts once it stays the same", async () => {
  const readings = ["HealthPort = 7", "HealthPort = 7", "", "HealthPort = 8", "HealthPort = 81"];
  const { follower, told } = await world({ host: { readFile: async () => readings.shift() ?? "HealthPort = 82" } });
  await follower.start();
  await vi.waitFor(() => expect(told.at(-1)?.settings.healthPort).toBe(82));
  expect(told.map(({ settings }) => settings.healthPort)).toEqual([7, 82]);
});

test("a file that cannot be read is a problem, and what it said before still counts", async () => {
  let isBroken = false;
  const host = new LinuxHost();
  const readFile = (path: string) => (isBroken ? host.readFile(`${path}/`) : host.readFile(path));
  const { follower, told, filePath } = await world({ host: { readFile } });
  await writeFile(filePath, "HealthPort = 7\n");
  await chmod(filePath, 0o600);
  await follower.start();
  isBroken = true;
  await vi.waitFor(() => expect(told.at(-1)?.problems).toEqual([expect.stringContaining("still counts")]));
  expect(told.at(-1)?.settings.healthPort).toBe(7);
  isBroken = false;
  await vi.waitFor(() => expect(told.at(-1)?.problems).toEqual([]));
});

test("a problem is logged once as long as it lasts, and a change with what it was before", async () => {
  const { follower, warned, changed, say } = await world({
    environment: { FELIX_MTUIFACEPATTERN: "^bond" },
    overrides: { logSeverityScreen: "debug" },
  });
  await follower.start();
  expect(changed).toEqual([
    { setting: "mtuIfacePattern", value: "^bond", source: "environment" },
    { setting: "logSeverityScreen", value: "debug", source: "override" },
  ]);
  say("default", { healthPort: -1, logSeverityScreen: "Error" });
  say("default", { healthPort: -1, vxlanPort: 5, logSeverityScreen: "Error" });
  expect(warned).toHaveLength(1);
  expect(changed.slice(2)).toEqual([{ setting: "vxlanPort", value: 5, before: 4789, source: "default" }]);
  say("default", {});
  say("default", { healthPort: -1 });
  expect(warned).toHaveLength(2);
});

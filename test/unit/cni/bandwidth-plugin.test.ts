import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bandwidthPluginOf } from "../../../src/cni/bandwidth-plugin.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { type TestClock, testClock } from "../../fakes/test-clock.ts";

let folder: string;
let reports: string[];
let clock: TestClock;
let find: (network: string) => ReturnType<typeof bandwidthPluginOf>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-net-conf-"));
  reports = [];
  clock = testClock();
  const node = {
    host: new LinuxHost(),
    paths: { spool: "", journal: "", intents: "", bootId: "", holds: "", mtuFile: "", netConf: folder },
    report: (_level: string, message: string) => reports.push(message),
    clock,
  };
  find = (network) => bandwidthPluginOf(network, node);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const list = (name: string, ...plugins: readonly object[]) =>
  JSON.stringify({ cniVersion: "1.0.0", name, plugins: [{ type: "calico" }, ...plugins] });
const told = { type: "bandwidth", capabilities: { bandwidth: true } };

test("it is found in the chain of its network", async () => {
  await writeFile(join(folder, "10-calico.conflist"), list("pods", { type: "portmap" }, told));
  await writeFile(join(folder, "20-other.conflist"), list("other", { type: "portmap" }));
  expect(await find("pods")).toBe("annotated");
  expect(await find("other")).toBeUndefined();
  expect(await find("none")).toBeUndefined();
});

test("rates of its own are for every pod, and one that is told nothing does nothing", async () => {
  await writeFile(join(folder, "10.conflist"), list("fixed", { ...told, ingressRate: 1, ingressBurst: 1 }));
  await writeFile(join(folder, "20.conflist"), list("mute", { type: "bandwidth" }));
  await writeFile(join(folder, "30.conflist"), list("off", { type: "bandwidth", capabilities: { bandwidth: false } }));
  await writeFile(join(folder, "40.conflist"), list("null", { type: "bandwidth", capabilities: null }));
  expect(await find("fixed")).toBe("always");
  for (const name of ["mute", "off", "null"]) expect(await find(name), name).toBeUndefined();
});

test("the first file of a network counts, and what is no configuration does not", async () => {
  await writeFile(join(folder, "00-broken.conflist"), "{");
  await writeFile(join(folder, "01-odd.conflist"), JSON.stringify({ name: "pods", plugins: "all" }));
  await writeFile(join(folder, "02-note.txt"), list("pods", told));
  await mkdir(join(folder, "calico-kubeconfig"));
  await writeFile(join(folder, "10.conflist"), list("pods", { type: "portmap" }));
  await writeFile(join(folder, "20.conflist"), list("pods", told));
  expect(await find("pods")).toBeUndefined();
  expect(reports).toEqual([]);
});

test("what cannot be read is reported, and nobody's plugin; a folder that is not there is empty", async () => {
  await mkdir(join(folder, "10.conflist"));
  expect(await find("pods")).toBeUndefined();
  expect(reports).toEqual([expect.stringContaining(`Cannot look for the plugin bandwidth in ${folder}: `)]);
  await rm(folder, { recursive: true });
  expect(await find("pods")).toBeUndefined();
  expect(reports).toHaveLength(1);
  await mkdir(folder);
});

test("the files are read once a second at most, and once by all who ask together", async () => {
  await writeFile(join(folder, "04.conflist"), list("pods", told));
  expect(await Promise.all([find("pods"), find("pods")])).toEqual(["annotated", "annotated"]);
  await writeFile(join(folder, "04.conflist"), list("pods", { type: "portmap" }));
  clock.pass(999);
  expect(await find("pods")).toBe("annotated");
  clock.pass(1);
  expect(await find("pods")).toBeUndefined();
});

test("what could not be read once is read again for the next", async () => {
  await mkdir(join(folder, "04.conflist"));
  expect(await find("pods")).toBeUndefined();
  await rm(join(folder, "04.conflist"), { recursive: true });
  await writeFile(join(folder, "04.conflist"), list("pods", told));
  expect(await find("pods")).toBe("annotated");
  expect(reports).toHaveLength(1);
});

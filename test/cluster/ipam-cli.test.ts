import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { approvalAnnotation } from "../../src/api/held-release.ts";
import { ipPoolKind, kubeControllersConfigurationKind, podKind, resourcePath } from "../../src/api/kinds.ts";
import type { NodeName } from "../../src/api/names.ts";
import { addIpam } from "../../src/cli/ipam.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { allocationOf } from "../../src/ipam/block.ts";
import type { AssignedAddress } from "../../src/ipam/ipam.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { parseJson } from "../../src/kube/json.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import type { Ip } from "../../src/net/ip.ts";
import { messageOf } from "../../src/net/message-of.ts";

const root = join(import.meta.dirname, "../..");
const group = "/apis/projectcalico.org/v3";
const node = "node-1" as NodeName;

let folder: string;
let plane: ControlPlane;
let client: KubeClient;
let store: KubeIpamStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-ipam-cli-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["apply", "-f", join(root, "crds")]);
  await plane.kubectl(["apply", "-f", "-"], nodeAddressesCrd);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  store = new KubeIpamStore({ client, onRejected: ({ reason }) => expect.fail(reason) });
  await plane.kubectl(["apply", "-f", "-"], "{apiVersion: v1, kind: Node, metadata: {name: node-1}}");
});

afterAll(async () => {
  client?.close();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => makePool("blue", "10.1.0.0/24"));

afterEach(async () => {
  for (const plural of ["ipamblocks", "blockaffinities", "ipamhandles", "ippools", "ipreservations"]) {
    await client.request("DELETE", `${group}/${plural}`);
  }
  await client.request("DELETE", "/apis/query.margay.io/v1/nodeaddresses");
  for (const name of ["web", "db"]) {
    await client.request("DELETE", podPath(name), { query: { gracePeriodSeconds: 0 } }).catch(ignoreMissing);
  }
});

describe("show", () => {
  test("usage counts reserved addresses apart, as a table and as JSON", async () => {
    await assign("web");
    await plane.kubectl(
      ["apply", "-f", "-"],
      "{apiVersion: projectcalico.org/v3, kind: IPReservation, metadata: {name: few}, spec: {reservedCIDRs: [10.1.0.240/29]}}",
    );
    expect((await margay("show")).stdout).toContain(
      "| IP Pool  | 10.1.0.0/24 |       256 |     1 (0%) |       8 (3%) | 247 (96%) |",
    );
    const { pools, orphanedBlocks } = parse(await margay("show", "--show-blocks", "-o", "json"));
    expect(pools).toMatchObject([
      {
        name: "blue",
        cidr: "10.1.0.0/24",
        total: 256,
        used: 1,
        reserved: 8,
        free: 247,
        blocks: [{ affinity: "host:node-1", used: 1 }],
      },
    ]);
    expect(orphanedBlocks).toEqual([]);
    expect(parse(await margay("show", "--show-borrowed", "-o", "json"))).toEqual({ borrowed: [], unclassified: 0 });
  });

  test("an address tells who holds it and who held it before", async () => {
    const ipam = new Allocator({ store, node, clock: systemClock });
    const [first] = await ipam.assign(requestOf("web"));
    expect(await ipam.release(handleOf("web"), "pod deleted")).toEqual([first?.ip]);
    const { ip = "" } = first ?? {};
    const free = await margay("show", "--ip", ip);
    expect(free.stdout).toMatch(new RegExp(`^${ip} is not assigned\n`));
    expect(free.stdout).toContain("Given to new pods: yes, pool blue (10.1.0.0/24) gives it to pods\n");
    expect(free.stdout).toMatch(
      /\(\d+s ago\): freed, was of pod default\/web on node-1 \(k8s-pod-network\.web\): pod deleted\n/,
    );
    expect(parse(await margay("show", "--ip", ip, "-o", "json"))).toMatchObject({
      ...{ ip, state: "free", assignable: true, pool: { name: "blue" } },
      history: [{ handle: handleOf("web"), pod: "default/web", node, why: "pod deleted" }],
    });
    expect((await margay("show", "--ip", "192.0.2.1")).stdout).toContain("Given to new pods: no, it is in no pool\n");
  });
});

describe("check and release", () => {
  test("a leaked address is found, kept without evidence, and freed with it; the report works once", async () => {
    const [leaked, live] = [await assign("web"), await assign("db")];
    await makePod("db", live.ip);
    const file = join(folder, "report.json");
    const checked = await margay("check", "--show-problem-ips", "-o", file);
    expect(checked).toMatchObject({ exitCode: 0, stderr: "" });
    expect(checked.stdout).toContain(`\n  ${leaked.ip} is given to ${handleOf("web")}, but pod default/web is gone\n`);
    expect(checked.stdout).toContain("\nCheck complete; found 1 problem.\n");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).filter((name) => name.includes("replacing"))).toEqual([]);

    const unasked = await margay("release", "--from-report", file);
    expect(unasked).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("Released 0 IPs successfully.\n1 addresses were kept:\n"),
    });
    expect(unasked.stdout).toContain(`  ${leaked.ip}: node node-1 could not be asked whether it uses it: `);
    expect(unasked.stderr).toMatch(/^margay: Cannot release 1 of the addresses: /);

    await answerFor(node, [leaked.ip]);
    expect((await margay("release", "--from-report", file)).stdout).toContain(
      `  ${leaked.ip}: node node-1 uses it: interface eth0`,
    );
    expect(await holderOf(leaked)).toBe(handleOf("web"));

    await answerFor(node, [live.ip]);
    const freed = await margay("release", "--from-report", file, "-o", "json");
    expect(freed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(parse(freed)).toMatchObject({ released: [leaked.ip], kept: [], changed: [], free: [] });
    expect(await holderOf(leaked)).toBeUndefined();
    expect(await holderOf(live)).toBe(handleOf("db"));
    expect((await store.handles.list()).map(({ value }) => value.spec.handleID)).toEqual([handleOf("db")]);
    expect((await margay("show", "--ip", leaked.ip)).stdout).toContain("released by a person\n");

    const again = await margay("release", "--from-report", file);
    expect(again).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("1 addresses had been given back already."),
    });
    expect(parse(await margay("check", "-o", "json"))).toMatchObject({ problems: [], datastoreLocked: false });
  });

  test("an address given out anew since the report is kept, by force too; so is another cluster's", async () => {
    const ipam = new Allocator({ store, node, clock: systemClock });
    const [old] = await ipam.assign(requestOf("web"));
    const file = join(folder, "stale.json");
    await margay("check", "-o", file);
    await ipam.release(handleOf("web"), "DEL");
    const [anew] = await ipam.assign({ ...requestOf("web"), addresses: old === undefined ? [] : [old.ip], v4: 0 });
    expect(anew?.ip).toBe(old?.ip);
    const forced = await margay("release", "--force", "--from-report", file);
    expect(forced).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("WARNING") });
    expect(forced.stdout).toContain(`1 addresses have another holder by now, and were kept:\n  ${old?.ip}\n`);
    if (anew !== undefined) expect(await holderOf(anew)).toBe(handleOf("web"));

    const { clusterGUID, ...report } = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...report, clusterGUID: `${clusterGUID}0` }));
    const strange = await margay("release", "--force", "--from-report", file);
    expect(strange).toMatchObject({ exitCode: 1, stdout: "" });
    expect(strange.stderr).toMatch(/^margay: Cannot use the report .*: it is of another cluster/);
  });

  test("one address: kept while its pod exists, freed by force with a warning, then not assigned", async () => {
    const given = await assign("web");
    await makePod("web", undefined);
    await answerFor(node, []);
    const kept = await margay("release", "--ip", given.ip);
    expect(kept).toMatchObject({ exitCode: 1, stdout: "" });
    expect(kept.stderr).toBe(
      `margay: Cannot release IP address ${given.ip}: pod default/web exists. If you are sure that nothing uses it: --force\n`,
    );
    const forced = await margay("release", "--ip", given.ip, "--force");
    expect(forced).toMatchObject({ exitCode: 0, stdout: `Successfully released IP address ${given.ip}\n` });
    expect(forced.stderr).toMatch(/^margay: WARNING: /);
    const again = await margay("release", "--ip", given.ip);
    expect(again.stderr).toBe(`margay: Cannot release IP address ${given.ip}: it is not assigned\n`);
  });

  test("a handle's record that names nothing goes with the report, one that was used since does not", async () => {
    for (const handleID of ["old-1", "old-2"]) {
      const metadata = { name: handleID, labels: {}, annotations: {} };
      await store.handles.put(handleID, { metadata, spec: { handleID, block: {}, deleted: false } }, undefined);
    }
    const file = join(folder, "handles.json");
    await margay("check", "-o", file);
    await plane.kubectl(["annotate", "ipamhandle", "old-2", "touched=yes"]);
    expect(parse(await margay("release", "--from-report", file, "-o", "json"))).toMatchObject({
      handles: { removed: ["old-1"], changed: ["old-2"] },
    });
    expect((await store.handles.list()).map(({ value }) => value.spec.handleID)).toEqual(["old-2"]);
  });
});

describe("split, where pools that overlap are refused", () => {
  beforeAll(async () => {
    await plane.kubectl(["apply", "-f", join(root, "manifests/admission.yaml")]);
    await makePool("wide", "10.2.0.0/16");
    await vi.waitFor(() => expect(overlapping()).rejects.toMatchObject({ status: 422 }), { timeout: 30_000 });
    await client.request("DELETE", poolPath("wide"));
  });

  function overlapping() {
    const head = { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "narrow" } };
    const body = { ...head, spec: { cidr: "10.2.0.0/24" } };
    return client.request("POST", resourcePath(ipPoolKind), { body, query: { dryRun: "All" } });
  }

  test("the parts stand for the pool; blocks and addresses are untouched; a second call says so", async () => {
    const given = await assign("web");
    await plane.kubectl(["patch", "ippool", "blue", "--type=merge", "-p", withFinalizer]);
    const before = (await store.blocks.list()).map(({ value }) => value);
    const split = await margay("split", "4", "--name", "blue", "-o", "json");
    expect(split).toMatchObject({ exitCode: 0, stderr: "" });
    expect(parse(split)).toMatchObject({
      pool: "blue",
      parts: 4,
      result: "split",
      children: [{ name: "split-blue-0", cidr: "10.1.0.0/26" }, {}, {}, {}],
    });
    expect((await store.pools()).map(({ metadata, spec }) => `${metadata.name} ${spec.cidr}`)).toEqual([
      ...["split-blue-0 10.1.0.0/26", "split-blue-1 10.1.0.64/26"],
      ...["split-blue-2 10.1.0.128/26", "split-blue-3 10.1.0.192/26"],
    ]);
    expect((await store.blocks.list()).map(({ value }) => value)).toEqual(before);
    expect(await holderOf(given)).toBe(handleOf("web"));
    const next = await assign("db");
    expect(next.block).toBe(given.block);
    expect((await margay("split", "4", "--cidr", "10.1.0.0/24")).stdout).toMatch(
      /is already split into 4 smaller pools:\n/,
    );
    expect((await margay("split", "2", "--name", "blue")).stderr).toMatch(
      /it was split already, and 4 parts of it are there/,
    );
  });

  test("what was cut short is finished, at whichever step", async () => {
    await margay("split", "2", "--name", "blue");
    const parts = await store.pools();
    // As a crash before the deletion, and one after the first part, would have left it.
    for (const gone of [[], ["split-blue-1"]]) {
      for (const { metadata } of await store.pools()) await client.request("DELETE", poolPath(metadata.name));
      await makePool("blue", "10.1.0.0/24", { annotations: { "ipam.margay.io/split": "2" } });
      for (const { metadata, spec } of parts.filter((one) => !gone.includes(one.metadata.name))) {
        await makePool(metadata.name, spec.cidr, { annotations: metadata.annotations });
      }
      if (gone.length === 0)
        expect((await margay("split", "4", "--name", "blue")).stderr).toContain("a split into 2 has begun");
      expect((await margay("split", "2", "--name", "blue")).exitCode).toBe(0);
      expect((await store.pools()).map(({ metadata }) => metadata.name)).toEqual(["split-blue-0", "split-blue-1"]);
    }
  });

  test("a part that is not like the pool keeps the pool in place", async () => {
    await plane.kubectl(["annotate", "ippool", "blue", "ipam.margay.io/split=2"]);
    await makePool("split-blue-1", "10.1.0.128/25", {
      annotations: { "ipam.margay.io/split-from": "blue 10.1.0.0/24" },
    });
    await plane.kubectl(["patch", "ippool", "split-blue-1", "--type=merge", "-p", '{"spec":{"natOutgoing":true}}']);
    const refused = await margay("split", "2", "--name", "blue");
    expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refused.stderr).toContain(
      "Cannot finish splitting pool blue: its part split-blue-1 is not like it (natOutgoing)",
    );
    expect((await store.pools()).map(({ metadata }) => metadata.name)).toContain("blue");
  });

  test.each([
    [["8", "--name", "blue"], "it has 4 blocks (/26), and each part needs one at least"],
    [["2", "--name", "none"], "Cannot split pool none: there is no such pool"],
    [["2", "--cidr", "10.2.0.0/16"], "Cannot split pool 10.2.0.0/16: there is no such pool"],
  ])("is refused: %j", async (argv, sentence) => {
    const refused = await margay("split", ...argv);
    expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refused.stderr).toContain(sentence);
  });
});

test("a limit on blocks is set with strictAffinity only, and keeps it on", async () => {
  const refused = await margay("configure", "--max-blocks-per-host=4");
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toMatch(
    /^margay: Cannot change IPAMConfiguration default: .* needs strictAffinity, which is off\. Give --strictaffinity=true too/,
  );
  await expect(plane.kubectl(["get", "ipamconfiguration", "default"])).rejects.toThrow("NotFound");
  expect((await margay("configure", "--max-blocks-per-host=4", "--strictaffinity=true")).exitCode).toBe(0);
  const loosened = await margay("configure", "--strictaffinity=false");
  expect(loosened).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("which this turns off.") });
  expect(parse(await margay("show", "--show-configuration", "-o", "json"))).toMatchObject({ strictAffinity: true });
  expect((await margay("configure", "--strictaffinity=false", "--max-blocks-per-host=0")).exitCode).toBe(0);
  await plane.kubectl(["delete", "ipamconfiguration", "default"]);
});

test("configure makes and changes the settings; show has them; what is not valid is refused in a sentence", async () => {
  const made = await margay("configure", "--strictaffinity=true", "--max-blocks-per-host", "4");
  expect(made).toMatchObject({ exitCode: 0, stderr: "" });
  expect(made.stdout).toBe("Successfully set StrictAffinity to: true\nSuccessfully set MaxBlocksPerHost to: 4\n");
  const changed = await margay(
    "configure",
    "--ip-cooldown-seconds",
    "30",
    "--kubevirt-ip-persistence",
    "Disabled",
    "-o",
    "json",
  );
  const settings = {
    strictAffinity: true,
    maxBlocksPerHost: 4,
    ipCooldownSeconds: 30,
    kubeVirtVMAddressPersistence: "Disabled",
  };
  expect(parse(changed)).toMatchObject(settings);
  expect(parse(await margay("show", "--show-configuration", "-o", "json"))).toMatchObject(settings);
  await plane.kubectl([
    "patch",
    "ipamconfiguration",
    "default",
    "--type=merge",
    "-p",
    '{"spec":{"autoAllocateBlocks":false}}',
  ]);
  const refused = await margay("configure", "--strictaffinity", "false", "--max-blocks-per-host=0");
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toContain("autoAllocateBlocks can be false only when strictAffinity is true");
  await plane.kubectl(["delete", "ipamconfiguration", "default"]);
});

test("approve shows what is held, and lets exactly that go", async () => {
  expect(await margay("approve")).toMatchObject({ exitCode: 0, stdout: "Nothing is held back.\n" });
  const path = resourcePath(kubeControllersConfigurationKind, { name: "default" });
  const head = {
    apiVersion: "projectcalico.org/v3",
    kind: "KubeControllersConfiguration",
    metadata: { name: "default" },
  };
  await client.request("POST", resourcePath(kubeControllersConfigurationKind), {
    body: { ...head, spec: { controllers: {} } },
  });
  expect((await margay("approve", "--yes")).stdout).toBe("Nothing is held back.\n");
  const address = { ip: "10.1.0.9", pod: "default/web", node: "node-1", reason: "pod gone" };
  const heldRelease = { id: "a1b2", count: 70, since: new Date().toISOString(), addresses: [address] };
  await client.patch(`${path}/status`, { status: { heldRelease } }, { type: "merge" });

  const shown = await margay("approve", "--dry-run");
  expect(shown.stdout).toMatch(/^Held back since .*: 70 addresses, id a1b2\n/);
  expect(shown.stdout).toContain("and 69 more\nNot approved. To let them be freed: margay ipam approve --id a1b2\n");
  expect(await margay("approve")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--id a1b2") });
  const other = await margay("approve", "--id", "ffff");
  expect(other).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("what is held back now is a1b2") });
  expect(await approved(path)).toBeUndefined();

  expect(await margay("approve", "--id", "a1b2")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("Approved a1b2"),
  });
  expect(await approved(path)).toBe("a1b2");
  expect(parse(await margay("approve", "--dry-run", "-o", "json"))).toMatchObject({
    approved: true,
    held: { count: 70 },
  });
});

describe("what goes wrong is one sentence", () => {
  test("a report that is not there, and a folder that is not there", async () => {
    const missing = await margay("release", "--from-report", join(folder, "none.json"));
    expect(missing).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /^margay: Cannot read the report .*none\.json.*\. Make one with margay ipam check -o FILE\n$/,
      ),
    });
    const unwritable = await margay("check", "-o", "/proc/none/report.json");
    expect(unwritable).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^margay: Cannot write the report \/proc\/none\/report\.json: there is no folder \/proc\/none\. Name a file/,
      ),
    });
    expect((await margay("check", "-o", folder)).stderr).toBe(
      `margay: Cannot write the report ${folder}: it is a folder. Name a file in a folder that is there\n`,
    );
  });

  test("an API server that is not there", async () => {
    const kubeconfig = join(folder, "nowhere");
    const text = await readFile(plane.kubeconfig, "utf8");
    await writeFile(kubeconfig, text.replaceAll(plane.url, "https://127.0.0.1:1"));
    for (const argv of [["show"], ["check"], ["approve"]]) {
      const unanswered = await margay(...argv, "--kubeconfig", kubeconfig);
      expect(unanswered).toMatchObject({ exitCode: 1, stdout: "" });
      expect(unanswered.stderr).toMatch(
        /^margay: Cannot read .*: no answer from the API server at https:..127.*\. See that it runs/,
      );
    }
  });

  test("who may not is told so", async () => {
    const kubeconfig = await plane.addUser("nobody");
    const ended = await run(["ipam", "show", "--kubeconfig", kubeconfig]);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringMatching(/^margay: Cannot read /) });
    for (const argv of [
      ["show"],
      ["check"],
      ["split", "2", "--name", "blue"],
      ["approve"],
      ["configure", "--strictaffinity=true"],
    ]) {
      const refused = await margay(...argv, "--kubeconfig", kubeconfig);
      expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
      expect(refused.stderr).toMatch(
        /^margay: Cannot read .* User "nobody" cannot (list|get) resource .*\. Ask for a role that allows it/,
      );
    }
  });
});

test("a cluster that lacks a kind is told from one that lacks the object", async () => {
  const lost = ["ipamconfigurations", "kubecontrollersconfigurations"];
  await plane.kubectl(["delete", "crd", ...lost.map((plural) => `${plural}.projectcalico.org`)]);
  for (const argv of [["show", "--show-configuration"], ["approve"], ["configure", "--strictaffinity=true"]]) {
    await vi.waitFor(async () => expect(await margay(...argv)).toMatchObject({ exitCode: 1, stdout: "" }), 30_000);
    expect((await margay(...argv)).stderr).toMatch(/^margay: Cannot read .*\. .* install Margay's CRDs/);
  }
});

// --- internal ---

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Stands in for the query API: an object that is stored answers as the API would from the node. */
const nodeAddressesCrd = JSON.stringify({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "nodeaddresses.query.margay.io" },
  spec: {
    group: "query.margay.io",
    scope: "Cluster",
    names: { kind: "NodeAddresses", plural: "nodeaddresses", singular: "nodeaddresses" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

const withFinalizer = '{"metadata":{"finalizers":["projectcalico.org/ippool-finalizer"]}}';

async function answerFor(name: string, ips: readonly Ip[]): Promise<void> {
  const addresses = ips.map((ip) => ({ ip, kind: "interface", interface: "eth0", namespace: "/run/netns/a" }));
  const body = { apiVersion: "query.margay.io/v1", kind: "NodeAddresses", metadata: { name }, addresses };
  await client.request("DELETE", `/apis/query.margay.io/v1/nodeaddresses/${name}`).catch(ignoreMissing);
  await client.request("POST", "/apis/query.margay.io/v1/nodeaddresses", { body });
}

function ignoreMissing(error: unknown): void {
  expect(error).toMatchObject({ status: 404 });
}

/** The API server may take a moment to forget the pools of the test before. */
async function makePool(name: string, cidr: string, metadata: object = {}): Promise<void> {
  const body = { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name, ...metadata }, spec: { cidr } };
  await vi.waitFor(() => client.request("POST", resourcePath(ipPoolKind), { body }), {
    timeout: 10_000,
    interval: 100,
  });
}

function poolPath(name: string): string {
  return resourcePath(ipPoolKind, { name });
}

function podPath(name: string): string {
  return resourcePath(podKind, { namespace: "default", name });
}

async function makePod(name: string, ip: Ip | undefined): Promise<void> {
  const spec = { nodeName: node, containers: [{ name: "c", image: "none" }] };
  const body = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec };
  await client.request("POST", resourcePath(podKind, { namespace: "default" }), { body });
  if (ip === undefined) return;
  const status = { phase: "Running", podIP: ip, podIPs: [{ ip }] };
  await client.patch(`${podPath(name)}/status`, { status }, { type: "merge" });
}

function handleOf(pod: string): string {
  return `k8s-pod-network.${pod}`;
}

function requestOf(pod: string) {
  const attributes = { pod, namespace: "default", node, timestamp: "2026-01-01T00:00:00Z" };
  return { handle: handleOf(pod), v4: 1, v6: 0, attributes };
}

async function assign(pod: string): Promise<AssignedAddress> {
  const [given] = await new Allocator({ store, node, clock: systemClock }).assign(requestOf(pod));
  if (given === undefined) throw new Error(`Cannot test: pod ${pod} was given nothing`);
  return given;
}

async function holderOf({ ip, block }: AssignedAddress): Promise<string | undefined> {
  const stored = await store.blocks.get(block);
  return stored === undefined ? undefined : allocationOf(stored.value, ip)?.attribute.handle_id;
}

async function approved(path: string): Promise<string | undefined> {
  const { metadata } = await client.request<{ readonly metadata: { readonly annotations?: Record<string, string> } }>(
    "GET",
    path,
  );
  return metadata.annotations?.[approvalAnnotation];
}

function parse({ stdout }: Ended) {
  return parseJson(stdout) as Record<string, unknown>;
}

/** The command in this process, which has everything loaded; it ends as main.ts says. */
async function margay(...argv: readonly string[]): Promise<Ended> {
  const said = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      said[name] += String(text);
      return true;
    }),
  );
  const program = new Command("margay").exitOverride();
  addIpam(program);
  try {
    const connection = argv.includes("--kubeconfig") ? [] : ["--kubeconfig", plane.kubeconfig];
    await program.parseAsync(["ipam", ...argv, ...connection], { from: "user" });
    return { exitCode: 0, ...said };
  } catch (error) {
    return { exitCode: 1, ...said, stderr: `${said.stderr}margay: ${messageOf(error)}\n` };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

function run(argv: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(join(root, "bin/margay"), argv, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
    child.stdin?.end();
  });
}

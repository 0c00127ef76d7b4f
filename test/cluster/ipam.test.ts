import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { SnapshotStore } from "../../src/agent/snapshot-store.ts";
import type { NodeName } from "../../src/api/names.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { addressesOf, newBlock } from "../../src/ipam/block.ts";
import { affinityName } from "../../src/ipam/object-names.ts";
import { StoreReclaimer } from "../../src/ipam/store-reclaimer.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore, type KubeIpamStoreOptions } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { messageOf } from "../../src/net/message-of.ts";
import { ipamStoreContract } from "../contract/ipam-store.ts";

const crds = join(import.meta.dirname, "../../crds");
const needed = ["ippools", "ipamblocks", "blockaffinities", "ipamhandles", "ipamconfigurations", "ipreservations"];
const main = join(import.meta.dirname, "../../src/cli/main.ts");
const group = "/apis/projectcalico.org/v3";
const crdName = "ipamconfigurations.projectcalico.org";

let folder: string;
let plane: ControlPlane;
let client: KubeClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-ipam-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  const files = needed.map((plural) => join(crds, `projectcalico.org_${plural}.yaml`));
  await plane.kubectl(["apply", ...files.map((file) => `--filename=${file}`)]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
});

afterAll(async () => {
  client?.close();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

ipamStoreContract("KubeIpamStore", () => emptyStore());

describe("KubeIpamStore and what other clients write", () => {
  test("a record marked deleted is gone, and its name can be had again", async () => {
    const store = await emptyStore();
    const record = {
      metadata: { name: "", labels: {}, annotations: {} },
      spec: { handleID: "h", block: {}, deleted: true },
    };
    await store.handles.put("h", record, undefined);
    expect(await store.handles.get("h")).toBeUndefined();
    expect(await store.handles.list()).toEqual([]);
    const made = await store.handles.put("h", { ...record, spec: { ...record.spec, deleted: false } }, undefined);
    expect(await store.handles.get("h")).toEqual(made);
  });

  test("a list goes on without an object that cannot be read, and each revision of that is told of once", async () => {
    const rejected: string[] = [];
    const store = await emptyStore(({ kind, key, reason }) => rejected.push(`${kind} ${key}: ${reason}`));
    const cidr = parseCidr("10.0.0.0/30");
    const claim = { node: "node-1" as NodeName, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n };
    const made = await store.blocks.put(cidr, newBlock(cidr, claim), undefined);
    // The API server takes integers that JavaScript cannot hold.
    const spec = '{"cidr":"10.0.0.4/30","allocations":[],"unallocated":[9007199254740993],"attributes":[]}';
    await create("IPAMBlock", "unreadable", spec);
    await create("IPAMBlock", "10-0-0-4-30", spec);
    expect(await store.blocks.list()).toEqual([made]);
    expect(await store.blocks.list()).toEqual([made]);
    await expect(store.blocks.get(parseCidr("10.0.0.4/30"))).rejects.toThrow("Cannot read IPAMBlock 10-0-0-4-30");
    const once = ["10-0-0-4-30", "unreadable"].map((name) => expect.stringMatching(`^IPAMBlock ${name}: Cannot read`));
    expect(rejected).toEqual(once);
    await plane.kubectl(["label", "ipamblock", "unreadable", "color=red"]);
    await store.blocks.list();
    expect(rejected).toEqual([...once, once[1]]);
  });

  test("a change keeps what others have put into the metadata", async () => {
    const store = await emptyStore();
    const cidr = parseCidr("10.0.0.0/30");
    const claim = { node: "node-1" as NodeName, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n };
    await store.blocks.put(cidr, newBlock(cidr, claim), undefined);
    const others = {
      finalizers: ["example.org/kept"],
      labels: { color: "red" },
      annotations: { "example.org/a": "b" },
    };
    const patch = JSON.stringify({ metadata: others });
    await plane.kubectl(["patch", "ipamblock", "10-0-0-0-30", "--type=merge", `--patch=${patch}`]);
    const { value, revision } = (await store.blocks.get(cidr)) ?? expect.fail("the block is gone");
    await store.blocks.put(cidr, value, revision);
    expect((await store.blocks.get(cidr))?.value.metadata).toMatchObject(others);
    await plane.kubectl([
      "patch",
      "ipamblock",
      "10-0-0-0-30",
      "--type=json",
      '--patch=[{"op":"remove","path":"/metadata/finalizers"}]',
    ]);
  });

  test("upstream's tools find an affinity by its name and labels", async () => {
    const store = await emptyStore();
    const key = { node: "node-a" as NodeName, cidr: parseCidr("2001:db8::/122") };
    const spec = { state: "confirmed", type: "host", deleted: false, ...key } as const;
    await store.affinities.put(key, { metadata: { name: "", labels: {}, annotations: {} }, spec }, undefined);
    const { metadata } = JSON.parse(await plane.kubectl(["get", "blockaffinities", affinityName(key), "-ojson"]));
    expect(metadata.name).toBe("node-a-2001-db8---122");
    expect(metadata.labels).toEqual({
      "projectcalico.org/hostname-hash": "PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA",
      "projectcalico.org/affinity-type": "host",
      "projectcalico.org/ip-version": "6",
    });
  });
});

test("three nodes' allocators share a pool; every address is one pod's, and all come free", async () => {
  const store = await emptyStore();
  await create("IPPool", "small", '{"cidr":"10.1.0.0/26","blockSize":29,"natOutgoing":true}');
  const nodes = ["node-1", "node-2", "node-3"].map((name) => name as NodeName);
  const allocators = nodes.map((node) => ({ node, ipam: new Allocator({ store, node, clock: systemClock }) }));
  const pods = allocators.flatMap(({ node, ipam }) =>
    Array.from({ length: 20 }, (_, index) => ({ node, ipam, handle: `k8s-pod-network.${node}-${index}` })),
  );
  const given = await Promise.all(pods.map(({ node, ipam, handle }) => ipam.assign(requestOf(handle, node))));
  const ips = given.flat().map(({ ip }) => ip);
  expect(new Set(ips).size).toBe(60);
  const [first] = pods;
  const [address] = given[0] ?? [];
  if (first === undefined || address === undefined) throw new Error("Cannot test the CLI: nothing was given");
  expect(await margay("ipam", "show")).toContain(
    "| IP Pool  | 10.1.0.0/26 |        64 |   60 (94%) |       0 (0%) |   4 (6%) |",
  );
  expect(await margay("ipam", "show", "--ip", address.ip)).toContain(`Handle ID: ${first.handle}`);
  expect((await margay("ipam", "show", "--show-blocks")).match(/\| Block /g)).toHaveLength(8);

  const restarted = new Allocator({ store, node: first.node, clock: systemClock });
  expect(await restarted.assign(requestOf(first.handle, first.node))).toEqual(given[0]);
  await Promise.all(pods.map(({ ipam, handle }) => ipam.release(handle, "DEL")));
  expect(await store.handles.list()).toEqual([]);
  const left = (await store.blocks.list()).flatMap(({ value }) =>
    pods.flatMap(({ handle }) => addressesOf(value, handle)),
  );
  expect(left).toEqual([]);
});

describe("the rights that the manifests grant suffice", () => {
  const [one, two] = ["node-1", "node-2"].map((name) => name as NodeName) as [NodeName, NodeName];
  const later = { ...systemClock, now: () => systemClock.now() + 120_000 };

  beforeAll(async () => {
    for (const file of ["agent-rbac.yaml", "controllers.yaml"]) {
      await plane.kubectl(["apply", `--filename=${join(crds, "../manifests", file)}`]);
    }
  });

  test("an agent's, to claim, to take over what stands empty, and to give back what is not for it any more", async () => {
    const admin = await emptyStore();
    const store = await storeOf("margay-agent");
    await create("IPPool", "small", '{"cidr":"10.3.0.0/29","blockSize":30}');
    const first = new Allocator({ store, node: one, clock: systemClock });
    const handles = Array.from({ length: 8 }, (_, index) => `k8s-pod-network.${index}`);
    await Promise.all(handles.map((handle) => first.assign(requestOf(handle, one))));
    await Promise.all(handles.map((handle) => first.release(handle, "DEL")));
    const second = new Allocator({ store, node: two, clock: later });
    await second.assign(requestOf("k8s-pod-network.b", two));
    expect((await admin.affinities.list()).map(({ value }) => value.spec.node).toSorted()).toEqual([one, two]);

    await create("IPPool", "other", '{"cidr":"10.4.0.0/29","blockSize":30}');
    await plane.kubectl([
      "patch",
      "ippool",
      "small",
      "--type=merge",
      `--patch={"spec":{"nodeSelector":"has(nothing)"}}`,
    ]);
    await new Allocator({ store, node: one, clock: later }).assign(requestOf("k8s-pod-network.a", one));
    const claims = await vi.waitFor(async () => {
      const found = (await admin.affinities.list()).map(({ value: { spec } }) => `${spec.node} ${spec.cidr}`);
      expect(found.filter((claim) => claim.startsWith(`${one} 10.3.`))).toEqual([]);
      return found;
    });
    expect(claims.filter((claim) => claim.startsWith(`${one} 10.4.`))).toHaveLength(1);
  });

  test("the controllers', to end claims, also when the claim itself is missing", async () => {
    const admin = await emptyStore();
    const reclaimer = new StoreReclaimer({ store: await storeOf("margay-controllers"), clock: later });
    await create("IPPool", "small", '{"cidr":"10.3.0.0/29","blockSize":30}');
    const ipam = new Allocator({ store: admin, node: one, clock: systemClock });
    const [given] = await ipam.assign(requestOf("k8s-pod-network.a", one));
    if (given === undefined) throw new Error("nothing was given");
    const release = { cidr: given.block, node: one, evenIfUsed: false };
    await client.request("DELETE", `${group}/blockaffinities`);
    expect(await reclaimer.releaseBlock(release)).toBe("kept");
    expect((await admin.affinities.list()).map(({ value }) => value.spec.state)).toEqual(["confirmed"]);
    await ipam.release("k8s-pod-network.a", "DEL");
    await client.request("DELETE", `${group}/blockaffinities`);
    expect(await reclaimer.releaseBlock(release)).toBe("deleted");
    expect([await admin.blocks.list(), await admin.affinities.list()]).toEqual([[], []]);
  });
});

describe("settings that cannot be read", () => {
  const crd = join(crds, "projectcalico.org_ipamconfigurations.yaml");

  beforeAll(async () => {
    // As the CRD of another version could let them in.
    const loose = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const patch = [{ op: "replace", path: "/spec/versions/0/schema/openAPIV3Schema", value: loose }];
    await plane.kubectl(["patch", "crd", crdName, "--type=json", `--patch=${JSON.stringify(patch)}`]);
    const spec = '{"strictAffinity":"yes","maxBlocksPerHost":2}';
    await vi.waitFor(() => create("IPAMConfiguration", "default", spec), { timeout: 30_000, interval: 200 });
  });

  afterAll(async () => {
    await client.request("DELETE", `${group}/ipamconfigurations/default`);
    await plane.kubectl(["apply", `--filename=${crd}`]);
  });

  test.each(["asked for", "followed, as an agent does"])("are the strictest: nobody borrows (%s)", async (how) => {
    const rejected: string[] = [];
    const onRejected: KubeIpamStoreOptions["onRejected"] = ({ reason }) => rejected.push(reason);
    const empty = await emptyStore(onRejected);
    const store = how === "asked for" ? empty : await storeThatFollows(onRejected);
    await create("IPPool", "tiny", '{"cidr":"10.2.0.0/30","blockSize":30}');
    const [owner, borrower] = ["node-1", "node-2"].map((name) => name as NodeName) as [NodeName, NodeName];
    const allocatorOf = (node: NodeName) => new Allocator({ store, node, clock: systemClock });
    expect(await allocatorOf(owner).assign(requestOf("k8s-pod-network.a", owner))).toHaveLength(1);
    await expect(allocatorOf(borrower).assign(requestOf("k8s-pod-network.b", borrower))).rejects.toThrow(
      "strictAffinity keeps it from using other nodes' blocks",
    );
    expect(rejected).toEqual([expect.stringMatching(/^Cannot read IPAMConfiguration default: spec\.strictAffinity /)]);
  });
});

test("an API server that does not answer fails an assign with what was tried", async () => {
  const node = "node-1" as NodeName;
  const nowhere = await connect({ kubeconfig: await kubeconfigOfNobody(), clock: systemClock });
  const ipam = new Allocator({
    store: new KubeIpamStore({ client: nowhere, onRejected: () => {} }),
    node,
    clock: systemClock,
  });
  await expect(ipam.assign(requestOf("h", node))).rejects.toThrow(/^Cannot .*no answer from the API server/);
  nowhere.close();
});

// --- internal ---

async function emptyStore(onRejected: KubeIpamStoreOptions["onRejected"] = () => {}): Promise<KubeIpamStore> {
  for (const plural of ["ipamblocks", "blockaffinities", "ipamhandles", "ippools"]) {
    await client.request("DELETE", `${group}/${plural}`);
  }
  return new KubeIpamStore({ client, onRejected });
}

/** A store with no more than what a ServiceAccount of ours may do. */
async function storeOf(account: string): Promise<KubeIpamStore> {
  const groups = ["system:serviceaccounts", "system:serviceaccounts:margay-system"];
  const kubeconfig = await plane.addUser(`system:serviceaccount:margay-system:${account}`, groups);
  const limited = await connect({ kubeconfig, clock: systemClock });
  onTestFinished(() => limited.close());
  return new KubeIpamStore({ client: limited, onRejected: ({ reason }) => expect.fail(reason) });
}

/** A store that takes the settings from what a `ChangeFeed` tells. */
async function storeThatFollows(onRejected: KubeIpamStoreOptions["onRejected"]): Promise<KubeIpamStore> {
  const followed = new SnapshotStore();
  const feed = new ChangeFeed({
    ...{ client, kinds: ["ipamConfiguration"], clock: systemClock, onRejected },
    onChanges: (changes) => followed.apply(changes),
    onTrouble: ({ error }) => expect.fail(messageOf(error)),
  });
  feed.start();
  onTestFinished(() => feed.stop());
  await feed.synced;
  const configuration = () => ({ value: followed.snapshot.ipamConfiguration.get("default") });
  return new KubeIpamStore({ client, onRejected, configuration });
}

function requestOf(handle: string, node: NodeName) {
  return { handle, v4: 1, v6: 0, attributes: { node, pod: handle, namespace: "default" } };
}

/** `spec` is JSON text. */
async function create(kind: string, name: string, spec: string): Promise<void> {
  const object = `{"apiVersion":"projectcalico.org/v3","kind":"${kind}","metadata":{"name":"${name}"},"spec":${spec}}`;
  await plane.kubectl(["create", "--filename=-"], object);
}

async function margay(...argv: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...argv, "--kubeconfig", plane.kubeconfig]);
  return stdout;
}

/** The administrator's, for a port where nobody listens. */
async function kubeconfigOfNobody(): Promise<string> {
  const { readFile, writeFile } = await import("node:fs/promises");
  const path = join(folder, "nobody.kubeconfig");
  await writeFile(path, (await readFile(plane.kubeconfig, "utf8")).replaceAll(plane.url, "https://127.0.0.1:1"));
  return path;
}

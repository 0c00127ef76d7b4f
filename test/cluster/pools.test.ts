import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Condition } from "../../src/api/condition.ts";
import { ipPoolKind } from "../../src/api/kinds.ts";
import type { NodeName } from "../../src/api/names.ts";
import { emptySnapshot } from "../../src/api/snapshot.ts";
import { ConfigurationController } from "../../src/controllers/configuration/configuration-controller.ts";
import { readEnvironment } from "../../src/controllers/configuration/environment.ts";
import type { Controller } from "../../src/controllers/controller.ts";
import { DriveControllers } from "../../src/controllers/drive-controllers.ts";
import { IpPoolController } from "../../src/controllers/ip-pool/ip-pool-controller.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { StoreReclaimer } from "../../src/ipam/store-reclaimer.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { KubeEventRecorder } from "../../src/kube/kube-event-recorder.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { parseIp } from "../../src/net/ip.ts";
import { noAgents } from "../fakes/no-agents.ts";
import { refusal } from "./refusal.ts";

const root = resolve(import.meta.dirname, "../..");
const finalizer = "projectcalico.org/ippool-finalizer";
const logger = pino({ level: "silent" });

let plane: ControlPlane;
let admin: KubeClient;
let client: KubeClient;
let controllers: Running;

beforeAll(async () => {
  plane = await startControlPlane({ folder: await mkdtemp(join(tmpdir(), "margay-pools-")), components: "api" });
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/crds`]);
  await plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", "--all", "crd"]);
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/manifests/controllers.yaml`]);
  // Both from before the policy: what happens when the API server sees the one too late to refuse the other.
  await create("overlap-a", { cidr: "10.1.0.0/16" });
  await create("overlap-b", { cidr: "10.1.2.0/24" });
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/manifests/admission.yaml`]);
  await refusedAtLast("probe", { cidr: "10.1.0.0/24" });
  const account = "system:serviceaccount:margay-system:margay-controllers";
  client = await connect({ kubeconfig: await plane.addUser(account), clock: systemClock });
  admin = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  controllers = await runControllers({ RECONCILER_PERIOD: "90s", ENABLED_CONTROLLERS: "node,loadbalancer" });
}, 180_000);

afterAll(async () => {
  await controllers?.stop();
  client?.close();
  admin?.close();
  await plane?.stop();
});

describe("a pool that overlaps another", () => {
  beforeAll(async () => {
    await create("taken", { cidr: "10.20.0.0/16" });
    await create("taken-6", { cidr: "2001:db8:20::/48" });
    await create("off", { cidr: "10.30.0.0/16", disabled: true });
    await refusedAtLast("probe", { cidr: "10.20.1.0/24" });
    await refusedAtLast("probe", { cidr: "2001:db8:20:1::/64" });
  });

  test.each([
    ["is in it", { cidr: "10.20.4.0/24" }],
    ["is the same", { cidr: "10.20.0.0/16" }],
    ["holds it", { cidr: "10.16.0.0/12" }],
  ])("is refused when it %s", async (_, spec) => {
    const said = await refusal(plane, ["create", "--filename=-"], objectOf("other", spec));
    expect(said).toContain(`spec.cidr: ${spec.cidr} overlaps pool taken (10.20.0.0/16); choose another network`);
  });

  test("is refused for IPv6 too", async () => {
    const said = await refusal(plane, ["create", "--filename=-"], objectOf("other", { cidr: "2001:db8:20:8::/64" }));
    expect(said).toContain("overlaps pool taken-6 (2001:db8:20::/48)");
  });

  test("does not overlap itself", async () => {
    const said = await refusal(plane, ["create", "--filename=-"], objectOf("taken", { cidr: "10.20.0.0/16" }));
    expect(said).toContain("AlreadyExists");
  });

  test("is taken while one of the two is switched off, and cannot be switched on", async () => {
    await create("over-off", { cidr: "10.30.5.0/24" });
    await create("off-too", { cidr: "10.20.5.0/24", disabled: true });
    const switchOn = ["patch", "ippool", "off-too", "--type=merge", '--patch={"spec":{"disabled":false}}'];
    expect(await refusal(plane, switchOn, "")).toContain("overlaps pool taken");
  });

  test("is taken as a part of a pool that is being split, and as nothing else", async () => {
    const partOf = (origin: string) => ({ annotations: { "ipam.margay.io/split-from": origin } });
    const part = { cidr: "10.20.0.0/17" };
    const argv = ["create", "--dry-run=server", "--filename=-"];
    expect(await refusal(plane, argv, objectOf("part", part, partOf("taken 10.20.0.0/16")))).toContain(
      "overlaps pool taken",
    );
    await plane.kubectl(["annotate", "ippool", "taken", "ipam.margay.io/split=2"]);
    await eventually("the part to be taken", () =>
      plane.kubectl(argv, objectOf("part", part, partOf("taken 10.20.0.0/16"))),
    );
    const strange = objectOf("part", part, partOf("overlap-a 10.1.0.0/16"));
    expect(await refusal(plane, argv, strange)).toContain("overlaps pool taken");
    const larger = objectOf("part", { cidr: "10.20.0.0/15" }, partOf("taken 10.20.0.0/16"));
    expect(await refusal(plane, argv, larger)).toContain("overlaps pool taken");
  });

  test("may still be changed, and says that it gives nothing, when it was there before", async () => {
    await plane.kubectl(["patch", "ippool", "overlap-b", "--type=merge", '--patch={"spec":{"natOutgoing":true}}']);
    const condition = await conditionOf(
      "overlap-b",
      "Allocatable",
      ({ observedGeneration }) => observedGeneration === 2,
    );
    expect(condition).toMatchObject({
      ...{ status: "False", reason: "CIDROverlap" },
      message: "The pool overlaps pool overlap-a (10.1.0.0/16), which is older.",
    });
    expect(await conditionOf("overlap-a", "Allocatable")).toMatchObject({ status: "True", reason: "OK" });
    await eventually("the event", async () => {
      const events = await plane.kubectl(["get", "events", "--namespace=default"]);
      if (!/Warning\s+CIDROverlap\s+ippool\/overlap-b/.test(events)) throw new Error(events);
    });
  });
});

describe("the status of a pool", () => {
  test("says what has no effect, and is a column", async () => {
    await create("wrapped", { cidr: "10.40.0.0/16", vxlanMode: "CrossSubnet" });
    await create("services", { cidr: "10.41.0.0/16", allowedUses: ["LoadBalancer"] });
    await create("broken", { cidr: "10.42.0.0/16", nodeSelector: "rack = 1" });
    expect(await conditionOf("wrapped", "Encapsulated")).toMatchObject({
      ...{ status: "False", reason: "NotImplemented" },
      message: expect.stringContaining("packets of the pool's pods are routed as they are"),
    });
    expect(await conditionOf("wrapped", "Allocatable")).toMatchObject({ status: "True" });
    expect(await conditionOf("services", "Allocatable")).toMatchObject({ reason: "LoadBalancerNotServed" });
    const broken = await conditionOf("broken", "Allocatable");
    expect(broken).toMatchObject({ status: "False", reason: "NotReadable" });
    expect(broken.message).toContain("spec.nodeSelector");
    const table = await plane.kubectl(["get", "ippools", "wrapped", "services"]);
    expect(table).toMatch(/^NAME +CIDR +SELECTOR +ALLOCATABLE +AGE\n/);
    expect(table).toMatch(/^services +10\.41\.0\.0\/16 +all\(\) +False /m);
  });

  test("follows the pool, and its time only the status", async () => {
    await create("turned", { cidr: "10.43.0.0/16", ipipMode: "Always" });
    const first = await conditionOf("turned", "Allocatable");
    await plane.kubectl(["patch", "ippool", "turned", "--type=merge", '--patch={"spec":{"ipipMode":"Never"}}']);
    const second = await conditionOf("turned", "Allocatable", ({ observedGeneration }) => observedGeneration === 2);
    expect(second.lastTransitionTime).toBe(first.lastTransitionTime);
    expect((await read("turned"))?.status?.conditions.map(({ type }) => type)).toEqual(["Allocatable"]);
  });
});

describe("a pool that is deleted", () => {
  test("stays while an address of it is in use, frees none, and goes with its blocks afterwards", async () => {
    await create("drained", { cidr: "10.50.0.0/24", blockSize: 28 });
    await conditionOf("drained", "Allocatable");
    expect((await read("drained"))?.metadata.finalizers).toEqual([finalizer]);
    const store = storeOf(admin);
    const one = new Allocator({ store, node: "node-1" as NodeName, clock: systemClock });
    const two = new Allocator({ store, node: "node-2" as NodeName, clock: systemClock });
    const pools = { 4: ["drained"] };
    const held = await one.assign({
      ...{ handle: "k8s-pod-network.one", v4: 1, v6: 0, pools },
      attributes: { namespace: "shop", pod: "web-0", node: "node-1" },
    });
    await two.assign({ handle: "k8s-pod-network.two", v4: 1, v6: 0, attributes: {}, pools });
    await two.release("k8s-pod-network.two", "DEL");

    await plane.kubectl(["delete", "ippool", "drained", "--wait=false"]);
    const told = await conditionOf("drained", "Allocatable", ({ reason }) => reason === "Terminating");
    expect(told.message).toBe(
      `The pool is being deleted: 1 address is in use, for example ${held[0]?.ip} by pod shop/web-0.`,
    );
    const blocksOfPool = async () => {
      const blocks = await store.blocks.list({ fresh: true });
      return blocks.map(({ value }) => value.spec.cidr).filter((cidr) => cidr.startsWith("10.50."));
    };
    await eventually("the empty block to go", async () => expect(await blocksOfPool()).toHaveLength(1));
    expect(await blocksOfPool()).toEqual([held[0]?.block]);
    expect((await read("drained"))?.metadata.finalizers).toEqual([finalizer]);
    const refused = two.assign({ handle: "k8s-pod-network.three", v4: 1, v6: 0, attributes: {}, pools });
    await expect(refused).rejects.toThrow(/drained .*is being deleted/);

    await one.release("k8s-pod-network.one", "DEL");
    await eventually("the pool to go", async () => expect(await read("drained")).toBeUndefined(), 20_000);
    expect(await blocksOfPool()).toEqual([]);
    expect((await store.affinities.list()).filter(({ value }) => value.spec.cidr.startsWith("10.50."))).toEqual([]);
  });

  test("leaves blocks that lie in a pool that stays", async () => {
    const store = storeOf(admin);
    const ipam = new Allocator({ store, node: "node-1" as NodeName, clock: systemClock });
    const [held] = await ipam.assign({
      ...{ handle: "k8s-pod-network.stays", v4: 0, v6: 0, attributes: {} },
      addresses: [parseIp("10.1.2.5")],
    });
    await conditionOf("overlap-b", "Allocatable");
    await plane.kubectl(["delete", "ippool", "overlap-b", "--wait=false"]);
    await eventually("the pool to go", async () => expect(await read("overlap-b")).toBeUndefined(), 20_000);
    const blocks = (await store.blocks.list({ fresh: true })).map(({ value }) => value.spec.cidr);
    expect(held?.block).toBe("10.1.2.0/26");
    expect(blocks).toContain(held?.block);
  });
});

describe("KubeControllersConfiguration default", () => {
  interface Configuration {
    readonly spec: { readonly controllers: object };
    readonly status?: {
      readonly runningConfig?: { readonly controllers: object };
      readonly environmentVars?: object;
      readonly conditions?: readonly Condition[];
    };
  }
  const read = async (): Promise<Configuration> =>
    JSON.parse(await plane.kubectl(["get", "kcc", "default", "--output=json"]));

  test("is made, and says what is in force", async () => {
    const { spec, status } = await eventually("the status", async () => {
      const found = await read();
      expect(found.status?.runningConfig).toBeDefined();
      return found;
    });
    expect(spec.controllers).toEqual({
      node: { reconcilerPeriod: "5m", syncLabels: "Enabled", leakGracePeriod: "15m" },
    });
    expect(status?.runningConfig).toMatchObject({
      ...{ logSeverityScreen: "Info", healthChecks: "Enabled", prometheusMetricsPort: 9094 },
      controllers: { node: { reconcilerPeriod: "1m30s", syncLabels: "Disabled", leakGracePeriod: "15m0s" } },
    });
    expect(status?.environmentVars).toEqual({
      ...{ RECONCILER_PERIOD: "90s", ENABLED_CONTROLLERS: "node,loadbalancer", DATASTORE_TYPE: "kubernetes" },
    });
    expect(status?.conditions).toMatchObject([
      { type: "InForce", status: "False", reason: "NotImplemented", message: expect.stringContaining("loadBalancer") },
    ]);
  });

  test("is followed when it changes, and made anew when it was deleted", async () => {
    await plane.kubectl([
      ...["patch", "kcc", "default", "--type=merge"],
      '--patch={"spec":{"controllers":{"node":{"leakGracePeriod":"0"}}}}',
    ]);
    await eventually("the grace period", async () =>
      expect((await read()).status?.runningConfig?.controllers).toMatchObject({ node: { leakGracePeriod: "0s" } }),
    );
    await plane.kubectl(["delete", "kcc", "default"]);
    await eventually("it to be made anew", async () =>
      expect((await read()).status?.runningConfig?.controllers).toMatchObject({ node: { leakGracePeriod: "15m0s" } }),
    );
  });
});

test("the same remark becomes one event with a count", async () => {
  const events = new KubeEventRecorder({
    client,
    clock: systemClock,
    logger,
    controller: "margay.io/test",
    instance: "test",
  });
  const subject = { kind: ipPoolKind, name: "counted" };
  for (let times = 0; times < 3; times++) events.record(subject, "Normal", "Counted", "the same again");
  events.record({ ...subject, namespace: "default" }, "Warning", "Long", "ü".repeat(2000));
  await events.settled();
  const text = await plane.kubectl(["get", "events.events.k8s.io", "--namespace=default", "--output=json"]);
  const items: { reason: string; note: string; series?: { count: number }; regarding: object }[] =
    JSON.parse(text).items;
  const counted = items.filter(({ reason }) => reason === "Counted");
  expect(counted).toMatchObject([{ series: { count: 3 }, regarding: { kind: "IPPool", name: "counted" } }]);
  expect(items.find(({ reason }) => reason === "Long")?.note).toMatch(/^ü+…$/);
});

// --- internal ---

interface Running {
  stop(): Promise<void>;
}

/** The controllers as the leading process runs them, with the rights of their ServiceAccount. */
async function runControllers(env: Readonly<Record<string, string>>): Promise<Running> {
  const snapshot = emptySnapshot();
  const clock = systemClock;
  const events = new KubeEventRecorder({ client, clock, logger, controller: "margay.io/test", instance: "test" });
  const parts = { client, snapshot, agents: noAgents, events, clock, logger };
  const all: readonly Controller[] = [
    new ConfigurationController({ ...parts, environment: readEnvironment(env) }),
    new IpPoolController({ ...parts, reclaimer: new StoreReclaimer({ store: storeOf(client), clock }) }),
  ];
  const drive = new DriveControllers(all, { clock, logger });
  const feed = new ChangeFeed({
    ...{ client, clock, kinds: ["ipPool", "ipamBlock", "blockAffinity", "kubeControllersConfiguration"] },
    onChanges: (changes) => {
      for (const { kind, key, value } of changes) {
        const objects = snapshot[kind] as Map<string, unknown>;
        if (value === undefined) objects.delete(key);
        else objects.set(key, value);
      }
      drive.touched(new Set(changes.map(({ kind }) => kind)));
    },
    onRejected: () => {},
    onTrouble: () => {},
  });
  feed.start();
  await feed.synced;
  const ending = new AbortController();
  const led = drive.lead(ending.signal);
  return {
    stop: async () => {
      ending.abort();
      await feed.stop();
      await led;
      await events.settled();
    },
  };
}

function storeOf(as: KubeClient): KubeIpamStore {
  return new KubeIpamStore({ client: as, onRejected: () => {} });
}

function objectOf(name: string, spec: object, metadata: object = {}): string {
  return JSON.stringify({ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name, ...metadata }, spec });
}

async function create(name: string, spec: object): Promise<void> {
  await plane.kubectl(["create", "--filename=-"], objectOf(name, spec));
}

/** The API server looks pools and policies up in caches, which take a moment. */
async function refusedAtLast(name: string, spec: object): Promise<void> {
  const argv = ["create", "--dry-run=server", "--filename=-"];
  await eventually("the pool to be refused", () => refusal(plane, argv, objectOf(name, spec)));
}

interface PoolJson {
  readonly metadata: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly conditions: readonly Condition[] };
}

async function read(name: string): Promise<PoolJson | undefined> {
  const text = await plane.kubectl(["get", "ippool", name, "--ignore-not-found", "--output=json"]);
  return text === "" ? undefined : JSON.parse(text);
}

async function conditionOf(
  name: string,
  type: string,
  wanted: (condition: Condition) => boolean = () => true,
): Promise<Condition> {
  return waitFor(`condition ${type} of pool ${name}`, { timeoutMs: 15_000 }, async () =>
    (await read(name))?.status?.conditions.find((one) => one.type === type && wanted(one)),
  );
}

/** The result of `attempt`, which may fail for a while; afterwards with its own error. */
async function eventually<T>(what: string, attempt: () => Promise<T>, timeoutMs = 15_000): Promise<T> {
  const { result } = await waitFor(what, { timeoutMs }, async () => ({ result: await attempt() }));
  return result;
}

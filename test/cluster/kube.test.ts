import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { identify, kill, type Started, startProcess } from "../../lab/processes.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { systemClock } from "../../src/host/clock.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { agentKinds } from "../../src/kube/fed-kinds.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { metadataMessage } from "../../src/kube/protobuf/core-messages.ts";
import { type ReflectorOptions, reflect } from "../../src/kube/reflector.ts";
import { type Relay, startRelay } from "../fakes/relay.ts";

const crds = join(import.meta.dirname, "../../crds");
const eventually = { timeout: 30_000, interval: 50 };
const backoff = { firstMs: 50, maxMs: 200 };

let folder: string;
let plane: ControlPlane;
/** Before the API server, so that its connections can be cut. */
let relay: Relay;
let client: KubeClient;
let restarted: Started | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-kube-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  relay = await startRelay(() => Number(new URL(plane.url).port));
  await plane.kubectl(["apply", "-f", crds]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  client = await connect({ kubeconfig: await kubeconfigThroughRelay(), clock: systemClock });
});

afterAll(async () => {
  client?.close();
  await relay?.[Symbol.asyncDispose]();
  const left = restarted === undefined ? undefined : identify(restarted.pid);
  if (left !== undefined) await kill([left]);
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("many requests, one connection", async () => {
  await client.request("GET", "/api/v1/namespaces");
  const before = relay.connections();
  for (let count = 0; count < 30; count++) await client.request("GET", "/api/v1/namespaces/default");
  expect(relay.connections()).toBe(before);
});

test("an integer beyond a number's precision goes there and back digit for digit", async () => {
  const path = "/apis/projectcalico.org/v3/ipamblocks";
  const spec = {
    cidr: "10.9.0.0/30",
    allocations: [null, null, null, null],
    unallocated: [0, 1, 2, 3],
    attributes: [],
  };
  const block = {
    apiVersion: "projectcalico.org/v3",
    kind: "IPAMBlock",
    metadata: { name: "10-9-0-0-30" },
    spec: { ...spec, sequenceNumber: 1790263475908126721n },
  };
  await client.request("POST", path, { body: block });
  const stored = await client.request<typeof block>("GET", `${path}/10-9-0-0-30`);
  expect(stored.spec.sequenceNumber).toBe(1790263475908126721n);
  await client.request("PUT", `${path}/10-9-0-0-30`, { body: stored });
  expect(await plane.kubectl(["get", "--raw", `${path}/10-9-0-0-30`])).toContain("1790263475908126721");
  await client.request("DELETE", `${path}/10-9-0-0-30`);
});

test("the server's refusals keep their status, reason and words", async () => {
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } };
  await expect(client.request("POST", "/api/v1/namespaces", { body })).rejects.toMatchObject({
    ...{ name: "KubeError", status: 409, reason: "AlreadyExists" },
    message: 'Cannot create in /api/v1/namespaces: namespaces "default" already exists',
  });
  await expect(client.request("GET", "/api/v1/namespaces/none")).rejects.toMatchObject({ reason: "NotFound" });
});

test.each(["merge", "apply"] as const)("a %s patch is understood", async (type) => {
  const metadata = { labels: { [type]: "yes" } };
  const bodies = {
    merge: { metadata },
    apply: { apiVersion: "v1", kind: "Namespace", metadata: { name: "default", ...metadata } },
  };
  const query = type === "apply" ? { fieldManager: "test" } : {};
  const patched = await client.patch("/api/v1/namespaces/default", bodies[type], { type, query });
  expect(patched).toMatchObject({ metadata });
});

test.each([
  ["with", true],
  ["without", false],
])("a reflection follows creates, changes and deletes %s watch-list streaming", async (word, streaming) => {
  const namespace = `run-${word}`;
  await plane.kubectl(["create", "namespace", namespace]);
  const secret = (verb: string, ...more: string[]) => plane.kubectl([verb, "secret", "-n", namespace, ...more]);
  const before = ["a", "b", "c"].map((letter) => `${word}-${letter}`);
  for (const name of before) await secret("create", "generic", name);
  const lists: string[] = [];
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  await using followed = follow(streaming ? client : withoutWatchList(client, lists), { path, pageSize: 2 });
  await followed.synced;
  expect(followed.told).toEqual(before.map((name) => `+${name}`));
  expect(lists).toEqual(streaming ? [] : [path, path]);

  await secret("create", "generic", `${word}-d`);
  await secret("label", `${word}-a`, "color=red");
  await secret("delete", `${word}-b`);
  const changes = [`+${word}-d`, `+${word}-a`, `-${word}-b`];
  await vi.waitFor(() => expect(followed.told).toEqual([...before.map((name) => `+${name}`), ...changes]), eventually);
  expect(followed.troubles).toEqual([]);
});

test("a cut connection loses no event and repeats none", async () => {
  await using followed = follow(client);
  await followed.synced;
  const told = followed.told.length;
  relay.refuse(true);
  relay.cut();
  await plane.kubectl(["create", "namespace", "while-cut"]);
  await vi.waitFor(() => expect(followed.troubles.length).toBeGreaterThan(1), eventually);
  relay.refuse(false);
  await vi.waitFor(() => expect(followed.told.slice(told)).toEqual(["+while-cut"]), eventually);
});

test("after the API server restarts past a compaction, only what changed is told", async () => {
  await using followed = follow(client);
  await followed.synced;
  const told = followed.told.length;
  await restartApiServer(async () => {
    // The new server's cache starts after this write, and what came before it is gone.
    const { header } = await etcd("kv/put", { key: btoa("/test/revision"), value: btoa("x") });
    await etcd("kv/compaction", { revision: header.revision, physical: true });
  });
  await plane.kubectl(["create", "namespace", "after-restart"]);
  await vi.waitFor(() => expect(followed.told.slice(told)).toEqual(["+after-restart"]), eventually);
  const query = { watch: true, resourceVersion: "1", timeoutSeconds: 5 };
  const lines = await Array.fromAsync(client.stream("/api/v1/namespaces", { query }));
  expect(lines.flat().join("\n")).toMatch(/"type":"ERROR".*"reason":"Expired"/);
});

test("a change feed tells everything at once, then each change, and a bad object harms no other", async () => {
  const pool = (name: string, cidr: string, more = {}) =>
    JSON.stringify({ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name }, spec: { cidr, ...more } });
  const policy = (name: string, from: object) =>
    JSON.stringify({
      ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace: "default" } },
      spec: { podSelector: {}, ingress: [{ from: [from] }] },
    });
  const pod = (name: string) =>
    JSON.stringify({
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", labels: { app: name } } },
      spec: { containers: [{ name: "main", image: "none" }] },
    });
  await plane.kubectl(["apply", "-f", "-"], pool("first", "10.1.0.0/16"));
  await plane.kubectl(["apply", "-f", "-"], pod("web"));
  await plane.kubectl(["apply", "-f", "-"], policy("good", { podSelector: {} }));

  const batches: (readonly Change[])[] = [];
  const rejected: string[] = [];
  const troubles: unknown[] = [];
  const feed = new ChangeFeed({
    kinds: agentKinds,
    client,
    clock: systemClock,
    reflector: { backoff },
    onChanges: (changes) => batches.push(changes),
    onRejected: ({ kind, key }) => rejected.push(`${kind} ${key}`),
    onTrouble: ({ error }) => troubles.push(error),
  });
  feed.start();
  await feed.synced;
  expect(batches).toHaveLength(1);
  expect(batches[0]?.map(({ kind, key }) => `${kind} ${key}`)).toEqual(
    expect.arrayContaining(["pod default/web", "namespace default", "ipPool first", "networkPolicy default/good"]),
  );

  await plane.kubectl(["delete", "pod", "web", "--grace-period=0", "--force"]);
  await plane.kubectl(["apply", "-f", "-"], pod("db"));
  await vi.waitFor(() => {
    const later = batches.slice(1).flat();
    expect(later).toContainEqual({ kind: "pod", key: "default/web", value: undefined });
    expect(later).toContainEqual(expect.objectContaining({ kind: "pod", key: "default/db" }));
  }, eventually);

  await loosenPools();
  await plane.kubectl(["apply", "-f", "-"], pool("first", "10.1.0.0/16", { vxlanMode: "Sometimes" }));
  await plane.kubectl(["apply", "-f", "-"], pool("second", "10.2.0.0/16"));
  await vi.waitFor(() => {
    const later = batches.slice(1).flat();
    const spec = expect.objectContaining({ cidr: "10.1.0.0/16", disabled: true });
    expect(later).toContainEqual(expect.objectContaining({ key: "first", value: expect.objectContaining({ spec }) }));
    expect(later).toContainEqual(expect.objectContaining({ kind: "ipPool", key: "second" }));
  }, eventually);
  expect(rejected).toEqual(["IPPool first"]);
  expect(troubles).toEqual([]);
  await feed.stop();
  const count = batches.length;
  await plane.kubectl(["delete", "ippool", "--all"]);
  expect(batches).toHaveLength(count);
});

// --- internal ---

interface Followed extends AsyncDisposable {
  readonly synced: Promise<void>;
  /** `+name` or `-name` in order. */
  readonly told: readonly string[];
  readonly troubles: readonly unknown[];
}

/** Follows the namespaces when no path is named. */
function follow(from: KubeClient, options: Partial<ReflectorOptions> & { readonly path?: string } = {}): Followed {
  const told: string[] = [];
  const troubles: unknown[] = [];
  const { path = "/api/v1/namespaces", ...rest } = options;
  const reflection = reflect(
    from,
    path,
    { clock: systemClock, message: metadataMessage, ...rest, backoff },
    {
      changed: (changes) =>
        told.push(...changes.map(({ name, object }) => `${object === undefined ? "-" : "+"}${name}`)),
      trouble: (error) => troubles.push(error),
    },
  );
  return { told, troubles, synced: reflection.synced, [Symbol.asyncDispose]: () => reflection.stop() };
}

/** The real server, made to refuse watch-list streaming with its own words: Exact does not go with sendInitialEvents. */
function withoutWatchList(real: KubeClient, lists: string[]): KubeClient {
  return {
    server: real.server,
    request: (method, path, options) => {
      lists.push(path);
      return real.request(method, path, options);
    },
    patch: (path, body, options) => real.patch(path, body, options),
    stream: (path, options = {}) => {
      const spoilt = "sendInitialEvents" in (options.query ?? {}) ? { resourceVersionMatch: "Exact" } : {};
      return real.stream(path, { ...options, query: { ...options.query, ...spoilt } });
    },
    close: () => real.close(),
  };
}

/** A CRD with rules as loose as those of other products that bring the same kinds. */
async function loosenPools(): Promise<void> {
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const patch = { spec: { versions: [{ name: "v3", served: true, storage: true, schema: { openAPIV3Schema } }] } };
  const name = "ippools.projectcalico.org";
  await client.patch(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`, patch, { type: "merge" });
  const bad = { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "probe" }, spec: { cidr: 1 } };
  const query = { dryRun: "All" };
  await vi.waitFor(
    () => client.request("POST", "/apis/projectcalico.org/v3/ippools", { body: bad, query }),
    eventually,
  );
}

async function kubeconfigThroughRelay(): Promise<string> {
  const path = join(folder, "relay.kubeconfig");
  const text = await readFile(plane.kubeconfig, "utf8");
  await writeFile(path, text.replaceAll(plane.url, `https://127.0.0.1:${relay.port}`));
  return path;
}

/** Kills kube-apiserver, does `meanwhile`, and starts it again as it was. */
async function restartApiServer(meanwhile: () => Promise<void>): Promise<void> {
  const commands = await Promise.all(plane.pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8")));
  const index = commands.findIndex((one) => /^[^\0]*kube-apiserver\0/.test(one));
  const argv = (commands[index] ?? "").split("\0").slice(0, -1) as [string, ...string[]];
  await kill([identify(plane.pids[index] ?? 0)].filter((one) => one !== undefined));
  await meanwhile();
  restarted = await startProcess({ folder: join(folder, "plane"), name: "restarted", argv, lifetime: "owner" });
  await vi.waitFor(() => plane.kubectl(["get", "--raw=/readyz"]), { timeout: 60_000, interval: 200 });
}

/** One call of etcd's JSON gateway, over its unix socket. */
async function etcd(call: string, body: object): Promise<{ readonly header: { readonly revision: string } }> {
  const options = { socketPath: join(folder, "plane", "etcd.sock"), path: `/v3/${call}`, method: "POST" };
  const sent = request(options).end(JSON.stringify(body));
  const [response] = await once(sent, "response");
  return JSON.parse((await Array.fromAsync(response)).join(""));
}

import { setImmediate as tick } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { IpPool } from "../../../src/api/ip-pool.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { ChangeFeed } from "../../../src/kube/change-feed.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { agentKinds } from "../../../src/kube/fed-kinds.ts";
import { testClock } from "../../fakes/test-clock.ts";

/** The seven watches of one API server, each a queue of lines that the test fills. */
function watches() {
  const queues = new Map<string, ReadableStreamDefaultController<readonly string[]>>();
  const client: KubeClient = {
    server: "https://10.96.0.1",
    request: () => Promise.reject(new Error("no request was expected")),
    patch: () => Promise.reject(new Error("no patch was expected")),
    stream: (path, { signal } = {}) => {
      const start = (queue: ReadableStreamDefaultController<readonly string[]>) => {
        queues.set(path, queue);
        signal?.addEventListener("abort", () => queue.close());
      };
      return new ReadableStream<readonly string[]>({ start });
    },
    close: () => undefined,
  };
  const send = (path: string, type: string, object: object) =>
    queues.get(path)?.enqueue([JSON.stringify({ type, object })]);
  const end = (path: string) => {
    const annotations = { "k8s.io/initial-events-end": "true" };
    send(path, "BOOKMARK", { metadata: { resourceVersion: "1", annotations } });
  };
  return { client, send, end, paths: () => [...queues.keys()] };
}

const pods = "/api/v1/pods";
const pools = "/apis/projectcalico.org/v3/ippools";
const policies = "/apis/networking.k8s.io/v1/networkpolicies";

let revision = 0;
function pod(name: string, podIP = "10.0.0.1") {
  const metadata = { name, namespace: "shop", uid: name, resourceVersion: String(++revision) };
  return { metadata, spec: { containers: [] }, status: { podIP } };
}

function policy(name: string, spec: object) {
  return { metadata: { name, namespace: "shop", resourceVersion: String(++revision) }, spec };
}

function feedOf(client: KubeClient) {
  const batches: (readonly Change[])[] = [];
  const rejected: string[] = [];
  const feed = new ChangeFeed({
    kinds: agentKinds,
    client,
    clock: testClock(),
    onChanges: (changes) => batches.push(changes),
    onRejected: ({ kind, key, reason }) => rejected.push(`${kind} ${key}: ${reason}`),
    onTrouble: ({ error }) => rejected.push(String(error)),
  });
  feed.start();
  return { feed, batches, rejected };
}

/** A feed whose every kind was read once, with nothing in it. */
async function emptyFeed() {
  const api = watches();
  const parts = feedOf(api.client);
  for (const path of api.paths()) api.end(path);
  await parts.feed.synced;
  return { ...api, ...parts };
}

test("nothing is told before every kind was read, then everything at once", async () => {
  const { client, send, end, paths } = watches();
  const { feed, batches } = feedOf(client);
  send(pods, "ADDED", pod("web"));
  send(pods, "ADDED", pod("gone-again"));
  send(pods, "DELETED", pod("gone-again"));
  const [last, ...others] = paths();
  for (const path of others) end(path);
  await tick();
  expect(batches).toEqual([]);
  end(last ?? "");
  await feed.synced;
  expect(batches).toEqual([[expect.objectContaining({ kind: "pod", key: "shop/web" })]]);
  await feed.stop();
});

test("of what is asked of single nodes an agent follows what is asked of its own", async () => {
  const asked = new Map<string, unknown>();
  const { client } = watches();
  const stream: KubeClient["stream"] = (path, options) => {
    asked.set(path, options?.query?.["fieldSelector"]);
    return client.stream(path, options);
  };
  const parts = {
    clock: testClock(),
    onChanges: () => undefined,
    onRejected: () => undefined,
    onTrouble: () => undefined,
  };
  for (const node of ["node-1" as NodeName, undefined]) {
    const feed = new ChangeFeed({ ...parts, client: { ...client, stream }, kinds: agentKinds, ...(node && { node }) });
    feed.start();
    const narrowed = [...asked].filter(([, selector]) => selector !== undefined);
    const path = "/apis/projectcalico.org/v3/caliconodestatuses";
    expect(narrowed).toEqual(node === undefined ? [] : [[path, "spec.node=node-1"]]);
    expect(asked.size).toBe(agentKinds.length);
    await feed.stop();
  }
});

test("even an empty cluster is told of once", async () => {
  const { batches, feed } = await emptyFeed();
  expect(batches).toEqual([[]]);
  await feed.stop();
});

test("changes of one moment come together, the last of each object", async () => {
  const { batches, feed, send } = await emptyFeed();
  send(pods, "ADDED", pod("web", "10.0.0.1"));
  send(pods, "MODIFIED", pod("web", "10.0.0.2"));
  send(pods, "ADDED", pod("db"));
  await vi.waitFor(() => expect(batches.slice(1).flat()).toHaveLength(2));
  expect(batches).toHaveLength(2);
  expect(batches[1]?.[0]).toMatchObject({ key: "shop/web", value: { ips: ["10.0.0.2"] } });
  await feed.stop();
});

test("a policy that cannot be read stays, as one that is rejected", async () => {
  const { batches, feed, send, rejected } = await emptyFeed();
  send(policies, "ADDED", policy("strange", { podSelector: {}, ingress: [{ from: [{ moonPhase: "full" }] }] }));
  send(policies, "ADDED", policy("plain", { podSelector: {} }));
  await vi.waitFor(() => expect(batches.flat()).toHaveLength(2));
  const value = expect.objectContaining({
    ...{ namespace: "shop", name: "strange", rejected: expect.stringContaining("moonPhase") },
  });
  expect(batches.flat()).toContainEqual({ kind: "networkPolicy", key: "shop/strange", value });
  expect(batches.flat()).toContainEqual(expect.objectContaining({ key: "shop/plain" }));
  expect(rejected).toEqual([expect.stringMatching(/^NetworkPolicy shop\/strange: Cannot read .*moonPhase/)]);

  send(policies, "DELETED", policy("strange", {}));
  const gone = { kind: "networkPolicy", key: "shop/strange", value: undefined };
  await vi.waitFor(() => expect(batches.flat()).toContainEqual(gone));
  await feed.stop();
});

test("a pool that cannot be read any more stays, closed; without a network it is gone", async () => {
  const { batches, feed, send, rejected } = await emptyFeed();
  const pool = (spec: object) => ({ metadata: { name: "p", resourceVersion: String(++revision) }, spec });
  const told = () => batches.flat().map(({ value }) => (value as IpPool | undefined)?.spec);
  send(pools, "ADDED", pool({ cidr: "10.0.0.0/16" }));
  await vi.waitFor(() => expect(told()).toEqual([expect.objectContaining({ disabled: false })]));
  send(pools, "MODIFIED", pool({ cidr: "10.0.0.0/16", vxlanMode: "Sometimes" }));
  await vi.waitFor(() => expect(told()[1]).toMatchObject({ cidr: "10.0.0.0/16", disabled: true }));
  send(pools, "MODIFIED", pool({ cidr: "nonsense" }));
  await vi.waitFor(() => expect(told().slice(2)).toEqual([undefined]));
  expect(rejected).toHaveLength(2);
  await feed.stop();
});

test("a pod that cannot be read any more is gone, and comes back when it can", async () => {
  const { batches, feed, send, rejected } = await emptyFeed();
  const told = () => batches.flat().map(({ key, value }) => `${value === undefined ? "-" : "+"}${key}`);
  send(pods, "ADDED", pod("never", "nonsense"));
  send(pods, "ADDED", pod("web"));
  await vi.waitFor(() => expect(told()).toEqual(["+shop/web"]));
  send(pods, "MODIFIED", pod("web", "nonsense"));
  await vi.waitFor(() => expect(told()).toEqual(["+shop/web", "-shop/web"]));
  send(pods, "DELETED", pod("never", "nonsense"));
  send(pods, "MODIFIED", pod("web"));
  await vi.waitFor(() => expect(told()).toEqual(["+shop/web", "-shop/web", "+shop/web"]));
  expect(rejected).toHaveLength(2);
  await feed.stop();
});

test("nothing is told after stop, though it was about to be", async () => {
  const { client, send, end, paths } = watches();
  const batches: unknown[] = [];
  const stopped = Promise.withResolvers<void>();
  const feed = new ChangeFeed({
    kinds: agentKinds,
    client,
    clock: testClock(),
    onChanges: (changes) => batches.push(changes),
    onRejected: () => stopped.resolve(feed.stop()),
    onTrouble: ({ error }) => batches.push(error),
  });
  feed.start();
  for (const path of paths()) end(path);
  await feed.synced;
  send(policies, "ADDED", policy("readable", { podSelector: {} }));
  send(policies, "ADDED", policy("strange", { moonPhase: "full" }));
  await stopped.promise;
  await tick();
  expect(batches).toEqual([[]]);
});

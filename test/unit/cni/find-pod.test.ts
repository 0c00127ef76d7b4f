import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import type { Pod } from "../../../src/api/objects.ts";
import type { CniDependencies } from "../../../src/cni/dependencies.ts";
import { findPod } from "../../../src/cni/find-pod.ts";

const pod: Pod = {
  namespace: "shop",
  name: "web",
  uid: "u-1",
  labels: {},
  annotations: {},
  node: "node-1" as NodeName,
  serviceAccount: "default",
  ips: [],
  annotatedIps: [],
  hostNetwork: false,
  namedPorts: [],
  finished: false,
};
const reference = { namespace: "shop", name: "web", uid: "u-1" };
const signal = new AbortController().signal;

/** A node whose cache holds `cached[n]` after n sleeps, and whose API server holds `stored`. */
function nodeOf(cached: readonly (Pod | undefined)[], stored: Pod | undefined) {
  let slept = 0;
  const asked: string[] = [];
  const node = {
    nodeName: "node-1",
    cachedPod: () => cached[Math.min(slept, cached.length - 1)],
    readPod: async (key: string) => {
      asked.push(key);
      return stored;
    },
    clock: {
      now: () => 0,
      sleep: async () => {
        slept++;
      },
    },
  } as unknown as CniDependencies;
  return { node, asked };
}

test("a pod in the cache costs no request, also when it comes a moment late", async () => {
  for (const cached of [[pod], [undefined, undefined, pod], [{ ...pod, uid: "older" }, pod]]) {
    const { node, asked } = nodeOf(cached, undefined);
    expect(await findPod(reference, node, signal)).toBe(pod);
    expect(asked).toEqual([]);
  }
});

test("a pod that the cache lacks is asked for once, and then waited for: policy goes by the cache", async () => {
  const { node, asked } = nodeOf([...Array(100).fill(undefined), pod], { ...pod });
  expect(await findPod(reference, node, signal)).toBe(pod);
  expect(asked).toEqual(["shop/web"]);
});

test("a static pod is known by its configuration's hash", async () => {
  const mirror = { ...pod, uid: "u-2", annotations: { "kubernetes.io/config.hash": "u-1" } };
  expect(await findPod(reference, nodeOf([mirror], undefined).node, signal)).toBe(mirror);
});

test("no pod, another of its name, and one of another node are refused", async () => {
  const words = async (stored: Pod | undefined) => findPod(reference, nodeOf([undefined], stored).node, signal);
  await expect(words(undefined)).rejects.toMatchObject({ code: 100, message: expect.stringContaining("no such pod") });
  await expect(words({ ...pod, uid: "u-9" })).rejects.toMatchObject({
    code: 100,
    message: expect.stringContaining("u-9"),
  });
  const elsewhere = { ...pod, node: "node-2" as NodeName };
  await expect(words(elsewhere)).rejects.toMatchObject({ code: 100, message: expect.stringContaining("node-2") });
});

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { container, test } from "./cni-test.ts";

const told = { type: "bandwidth", capabilities: { bandwidth: true } };

test("ADD finds the plugin bandwidth in its network's chain, and keeps that with the attachment", async ({ node }) => {
  const netns = node.addPod("web");
  await mkdir(node.dependencies.paths.netConf);
  const list = join(node.dependencies.paths.netConf, "10-calico.conflist");
  await writeFile(list, JSON.stringify({ name: "k8s-pod-network", plugins: [{ type: "calico" }, told] }));
  await node.serve();
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  expect([...node.published.values()]).toMatchObject([{ bandwidthPlugin: "annotated" }]);
  const file = await readFile(join(node.folder, "attachments", `${container}:eth0.json`), "utf8");
  expect(JSON.parse(file)).toMatchObject({ bandwidthPlugin: "annotated" });
  // The plugin has shaped this pod by what stood in the chain then: the same ADD again does not forget it.
  await writeFile(list, JSON.stringify({ name: "k8s-pod-network", plugins: [{ type: "calico" }] }));
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect([...node.published.values()]).toMatchObject([{ bandwidthPlugin: "annotated" }]);
});

test("ADD needs no folder of configurations", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  expect([...node.published.values()].map(({ bandwidthPlugin }) => bandwidthPlugin)).toEqual([undefined]);
  expect(node.reports).toEqual([]);
});

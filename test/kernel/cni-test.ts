import { test as base, expect } from "vitest";
import { compileShim } from "./cni-call.ts";
import { CniNode } from "./cni-node.ts";

/** The container that tests wire when one is enough. */
export const container = "3f6940ab5ab43bc5";

/**
 * A test with a `node` of its own, whose executables are compiled once for the file. Those of a `patientNode` wait for an
 * agent longer than any test takes.
 */
export const test = base
  .extend("waitsMs", { scope: "file" }, () => ({ short: 300, long: 20_000 }))
  .extend("shim", { scope: "file" }, async ({ waitsMs }, { onCleanup }) => {
    const shim = await compileShim(waitsMs.short);
    onCleanup(() => shim[Symbol.asyncDispose]());
    return shim;
  })
  .extend("patientShim", { scope: "file" }, async ({ waitsMs }, { onCleanup }) => {
    const shim = await compileShim(waitsMs.long);
    onCleanup(() => shim[Symbol.asyncDispose]());
    return shim;
  })
  .extend("node", async ({ shim }, { onCleanup }) => {
    const node = new CniNode(shim);
    onCleanup(() => node[Symbol.asyncDispose]());
    return node;
  })
  .extend("patientNode", async ({ patientShim }, { onCleanup }) => {
    const node = new CniNode(patientShim);
    onCleanup(() => node[Symbol.asyncDispose]());
    return node;
  });

/** Fails when the node, or the pod's namespace where it is given, still has anything of a pod. */
export async function expectNothingLeft(node: CniNode, netns?: string): Promise<void> {
  expect(await node.leftovers()).toEqual([]);
  if (netns !== undefined) expect(await node.run(netns, ["ip", "-o", "link"])).not.toContain("eth0");
}

import { expect, test } from "vitest";
import type { CniDependencies } from "../../../src/cni/dependencies.ts";
import { findNamespace } from "../../../src/cni/find-namespace.ts";

const shop = { name: "shop", labels: {}, annotations: {} };
const { signal } = new AbortController();

/** A node whose cache has the namespace after so many looks. */
function nodeOf(looksBefore: number): CniDependencies {
  let looks = 0;
  return {
    namespaceOf: (name: string) => (name === "shop" && looks++ >= looksBefore ? shop : undefined),
    clock: { sleep: async () => undefined },
  } as unknown as CniDependencies;
}

test("a namespace that comes a moment late is waited for", async () => {
  expect(await findNamespace("shop", nodeOf(0), signal)).toBe(shop);
  expect(await findNamespace("shop", nodeOf(3), signal)).toBe(shop);
});

test("one that does not come is no reason to pass over its annotations", async () => {
  await expect(findNamespace("shop", nodeOf(Number.POSITIVE_INFINITY), signal)).rejects.toMatchObject({
    code: 11,
    message: expect.stringContaining("namespace shop"),
  });
});

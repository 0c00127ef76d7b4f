/** The kernel takes note by a work queue of its own that both ends of a pair are up; until then one of them drops what it is to send. */
import { expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

test("a pod has no address and no route before its pair passes packets", async ({ node }) => {
  const netns = node.addPod("web");
  const seen: string[] = [];
  const look = async () =>
    seen.push(await node.run(netns, ["ip", "-br", "address"]), await node.run(netns, ["ip", "route"]));
  let left = 3;
  await node.serve(slowKernel(node, () => left-- > 0, look));
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect([reply.exitCode, reply.text]).toEqual([0, expect.stringContaining("192.168.7.")]);
  expect(seen).toHaveLength(6);
  expect(seen.join("")).toContain("eth0");
  expect(seen.join("")).not.toMatch(/192\.168\.7\.|169\.254\.1\.1/);
  expect(await node.run(netns, ["ip", "route"])).toContain("default via 169.254.1.1");
});

test("a pair that the kernel is slow to bring up holds up no other", async ({ node }) => {
  const [slow, quick] = [podOf(node, "slow"), podOf(node, "quick")];
  // The first one that is asked about is the slow one's.
  let slowName: string | undefined;
  let isSlow = true;
  const asked = Promise.withResolvers<void>();
  const isSlowNow = (name: string) => {
    slowName ??= name;
    asked.resolve();
    return isSlow && name === slowName;
  };
  await node.serve(slowKernel(node, isSlowNow, async () => undefined));
  const first = node.call({ verb: "ADD", ...slow });
  await asked.promise;
  const second = await node.call({ verb: "ADD", ...quick }).finally(() => {
    isSlow = false;
  });
  expect([second.exitCode, second.text]).toEqual([0, expect.stringContaining("192.168.7.")]);
  expect((await first).exitCode).toBe(0);
});

test("a pair that never passes packets is an error, and nothing of it is left", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve(
    slowKernel(
      node,
      () => true,
      async () => undefined,
    ),
  );
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(reply.exitCode).toBe(1);
  expect(reply.json).toMatchObject({
    msg: expect.stringMatching(/^Cannot wire cali\w+: the kernel does not bring it up/),
  });
  await expectNothingLeft(node, netns);
});

// --- internal ---

/** One that takes no note of an end that came up while it is slow for that name; `look` is called each time. */
function slowKernel(
  node: CniNode,
  isSlow: (name: string) => boolean,
  look: () => Promise<unknown>,
): Partial<CniDependencies> {
  return {
    openNetlink: (netns) => {
      const real = node.dependencies.openNetlink(netns);
      if (netns !== undefined) return real;
      const link = async (name: string) => {
        const found = await real.link(name);
        if (found?.up !== true || !isSlow(name)) return found;
        await look();
        return { ...found, operational: false };
      };
      return new Proxy(real, {
        get: (target, key) => {
          const value: unknown = key === "link" ? link : Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}

function podOf(node: CniNode, pod: string) {
  return { pod, container: `${container}-${pod}`, netns: node.addPod(pod) };
}

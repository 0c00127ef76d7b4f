import { expect, test } from "vitest";
import { layoutOf, namespacesOf, nodeNamed } from "../../../lab/layout.ts";

test("odd nodes stand in rack 1, even ones in rack 2, each with an address of its own", () => {
  const { nodes } = layoutOf("lab", 20);
  expect(nodes.slice(0, 3).map(({ name, rack, address, gateway }) => [name, rack, address, gateway])).toEqual([
    ["node-1", 1, "172.18.1.11", "172.18.1.1"],
    ["node-2", 2, "172.18.2.12", "172.18.2.1"],
    ["node-3", 1, "172.18.1.13", "172.18.1.1"],
  ]);
  expect(new Set(nodes.map(({ address }) => address)).size).toBe(20);
});

test("labs of different names share no namespace and no folder", () => {
  const [one, two] = [layoutOf("lab", 3), layoutOf("lab-node", 3)];
  expect(new Set([...namespacesOf(one), ...namespacesOf(two)]).size).toBe(12);
  expect(one.folder).not.toBe(two.folder);
});

test.each(["", "-lab", "lab-", "Lab", "1lab", "a/b", "../x", "a b", "a;b", "a.b", "läb", "a".repeat(21)])(
  "refuses the name %j",
  (name) => {
    expect(() => layoutOf(name, 3)).toThrow(`Cannot use ${JSON.stringify(name)} as the name of a lab`);
  },
);

test.each(["a", "lab", "a-1", "a".repeat(20)])("takes the name %j", (name) => {
  expect(layoutOf(name, 1).name).toBe(name);
});

test.each([0, 21, -1, 1.5, Number.NaN])("refuses %d nodes", (count) => {
  expect(() => layoutOf("lab", count)).toThrow(/1 to 20 are possible/);
});

test("the first nodes run kubelet, as many as are asked for", () => {
  expect(layoutOf("lab", 3, 2).nodes.map(({ runtime }) => runtime)).toEqual(["kubelet", "kubelet", "stand-in"]);
  expect(layoutOf("lab", 2).nodes.map(({ runtime }) => runtime)).toEqual(["stand-in", "stand-in"]);
});

test.each([-1, 3, 0.5])("refuses kubelet on %d of 2 nodes", (count) => {
  expect(() => layoutOf("lab", 2, count)).toThrow(`Cannot run kubelet on ${count} of 2 nodes: 0 to 2 are possible`);
});

test("names the nodes there are when asked for another", () => {
  expect(() => nodeNamed(layoutOf("lab", 2), "node-3")).toThrow(
    "Cannot find node node-3 in lab lab: it has node-1, node-2",
  );
});

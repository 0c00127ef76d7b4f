import { expect, test } from "vitest";
import { configurationsOfNode } from "../../../../src/felix/config/configurations-of-node.ts";
import { felixObject } from "./felix-objects.ts";

const objects = new Map(
  [
    felixObject("default", {}),
    felixObject("node.a", {}),
    felixObject("node.b", {}),
    felixObject("young", { nodeSelector: "rack == '1'" }, "2026-03-01T00:00:00Z"),
    felixObject("old", { nodeSelector: "has(rack)" }, "2026-02-01T00:00:00Z"),
    felixObject("also-old", { nodeSelector: "rack == '2'" }, "2026-02-01T00:00:00Z"),
    felixObject("for-nobody", {}),
    felixObject("unreadable", { nodeSelector: "rack = 1" }, "2026-01-01T00:00:00Z"),
  ].map((object) => [object.metadata.name, object]),
);

function chosen(name: string, labels: Record<string, string> | undefined) {
  const { objects: found, problems } = configurationsOfNode(objects, name, labels);
  return { ...Object.fromEntries(Object.entries(found).map(([key, one]) => [key, one?.metadata.name])), problems };
}

test("a node has the default, its own, and the one that selects it", () => {
  expect(chosen("a", { rack: "3" })).toEqual({ default: "default", node: "node.a", selected: "old", problems: [] });
  expect(chosen("c", {})).toEqual({ default: "default", node: undefined, selected: undefined, problems: [] });
});

test("of several that select it the oldest counts, then the first by name, and a sentence says so", () => {
  expect(chosen("a", { rack: "1" })).toMatchObject({
    selected: "old",
    problems: ["FelixConfigurations old, young all select this node: only the oldest, old, counts."],
  });
  expect(chosen("a", { rack: "2" })).toMatchObject({ selected: "also-old", problems: [expect.anything()] });
});

test("none selects a node whose labels are not known", () => {
  expect(chosen("a", undefined)).toMatchObject({ node: "node.a", selected: undefined });
});

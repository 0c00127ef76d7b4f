import { expect, test } from "vitest";
import type { Labels } from "../../../../src/api/objects.ts";
import { AnchoredSets } from "../../../../src/felix/calc/anchored-sets.ts";
import { OwnerTable } from "../../../../src/felix/calc/owner-table.ts";
import { ParentTable } from "../../../../src/felix/calc/parent-table.ts";
import type { SetOwner } from "../../../../src/felix/calc/set-owner.ts";

const isWeb = { label: "app", values: ["web"] };
const isBlue = { label: "colour", values: ["blue"] };

test("who changed its labels, or went, is no candidate any more and costs nothing", () => {
  const owners = new OwnerTable(new ParentTable());
  const known = () =>
    [isWeb, isBlue].map((required) => [owners.cost(required), [...owners.candidates(required)].length]);
  owners.set("globalNetworkSet:a", setWith({ app: "web", colour: "blue" }));
  owners.set("globalNetworkSet:b", setWith({ app: "web" }));
  const first = known();
  owners.set("globalNetworkSet:a", setWith({ app: "db", colour: "blue" }));
  const second = known();
  owners.set("globalNetworkSet:a", undefined);
  owners.set("globalNetworkSet:b", undefined);
  const none = [0, 0];
  expect([first, second, known()]).toEqual([
    [
      [2, 2],
      [1, 1],
    ],
    [
      [1, 1],
      [1, 1],
    ],
    [none, none],
  ]);
});

test("a set that was taken away is found by no label", () => {
  const sets = new AnchoredSets<string>();
  const anchors = [undefined, [isWeb], [{ label: "app", values: undefined }], [isWeb, isBlue], []];
  for (const [index, anchor] of anchors.entries()) sets.add(anchor, String(index));
  const found = () => [...sets.candidates((label) => (label === "app" ? "web" : undefined))].sort();
  expect(found()).toEqual(["0", "1", "2", "3"]);
  for (const [index, anchor] of anchors.entries()) sets.delete(anchor, String(index));
  expect(found()).toEqual([]);
});

// --- internal ---

function setWith(labels: Labels): SetOwner {
  return { kind: "globalNetworkSet", object: { metadata: { name: "a", labels, annotations: {} }, spec: { nets: [] } } };
}

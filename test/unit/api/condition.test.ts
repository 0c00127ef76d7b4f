import { expect, test } from "vitest";
import { type Condition, conditionsOf, conditionsStand, timedConditions } from "../../../src/api/condition.ts";

const standing: Condition = {
  ...{ type: "Allocatable", status: "True", reason: "OK", message: "fine" },
  ...{ lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1 },
};
const at = { now: "2026-02-02T00:00:00Z", generation: 2 };

test("the time of a condition moves with its status only", () => {
  const same = { type: "Allocatable", status: "True", reason: "OK", message: "better" } as const;
  expect(timedConditions([same], [standing], at)).toEqual([
    { ...same, lastTransitionTime: standing.lastTransitionTime, observedGeneration: 2 },
  ]);
  const other = { ...same, status: "False" } as const;
  expect(timedConditions([other], [standing], at)[0]?.lastTransitionTime).toBe(at.now);
  expect(timedConditions([same], [], { ...at, generation: undefined })).toEqual([
    { ...same, lastTransitionTime: at.now },
  ]);
});

test.each<[string, readonly Condition[], readonly Condition[], boolean]>([
  ["the same stands", [standing], [standing], true],
  ["the message is another", [{ ...standing, message: "x" }], [standing], false],
  ["it was decided from an older object", [{ ...standing, observedGeneration: 2 }], [standing], false],
  ["it is missing", [standing], [], false],
  ["one of ours is to go", [], [standing], false],
  ["another writer's stands beside it", [standing], [standing, { ...standing, type: "Foreign" }], true],
])("whether conditions stand: %s", (_, wanted, found, expected) => {
  expect(conditionsStand(wanted, found, ["Allocatable"])).toBe(expected);
});

test.each([
  [{ status: { conditions: [standing] } }, [standing]],
  [{ status: { conditions: [{ type: "Allocatable" }] } }, []],
  [{ status: {} }, []],
  [{}, []],
  [null, []],
])("the conditions of %j", (json, expected) => {
  expect(conditionsOf(json)).toEqual(expected);
});

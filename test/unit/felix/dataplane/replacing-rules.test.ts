import { expect, test } from "vitest";
import type { Rules, RulesDriver } from "../../../../src/felix/dataplane/dataplane.ts";
import { ReplacingRules } from "../../../../src/felix/dataplane/replacing-rules.ts";

const state: Rules = { sets: new Map(), tables: new Map() };

function world(removals: (() => Promise<readonly string[]>)[], sharesSets = false) {
  const done: string[] = [];
  const failures: unknown[] = [];
  const current: RulesDriver = {
    apply: async () => void done.push("apply"),
    prune: async () => {
      done.push("prune");
      return [];
    },
    faultsOf: async () => ["fault"],
    drift: async () => [],
    forget: () => void done.push("forget"),
  };
  const retired = {
    removeOwn: async (kept?: Rules["sets"]) => {
      done.push(kept === undefined ? "remove" : "remove but for sets");
      return (await removals.shift()?.()) ?? [];
    },
  };
  const onFailure = (error: unknown) => void failures.push(error);
  return { rules: new ReplacingRules(current, [retired], { sharesSets, onFailure }), done, failures };
}

test("what was there goes after the new rules are in force, once", async () => {
  const { rules, done } = world([]);
  await rules.apply(state);
  expect(done).toEqual(["apply"]);
  expect(await rules.prune(state)).toEqual([]);
  expect(await rules.prune(state)).toEqual([]);
  expect(done).toEqual(["apply", "prune", "remove", "prune"]);
});

test("sets of the same names stay with who uses them now", async () => {
  const { rules, done } = world([], true);
  await rules.prune(state);
  expect(done).toEqual(["prune", "remove but for sets"]);
});

test("what is still in use is told, and tried again", async () => {
  const { rules } = world([async () => ["cali40s:x"], async () => []]);
  expect(await rules.prune(state)).toEqual(["cali40s:x"]);
  expect(await rules.prune(state)).toEqual([]);
});

test("what cannot be removed is told and tried again, and nothing else waits for it", async () => {
  const refusal = new Error("no");
  const { rules, failures } = world([() => Promise.reject(refusal)]);
  expect(await rules.prune(state)).toHaveLength(1);
  expect(failures).toEqual([refusal]);
  expect(await rules.prune(state)).toEqual([]);
});

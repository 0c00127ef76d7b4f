import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Change, emptySnapshot, type Snapshot } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import type { NodePlan } from "../../src/felix/calc/plan.ts";
import { planNode } from "../reference-plan.ts";
import { scenarios } from "./node-states.ts";
import { policyScenarios } from "./policy-states.ts";
import { change, history, thisNode } from "./random-changes.ts";
import { changesBetween, deliveries, withChange } from "./states.ts";

describe.for(Object.entries({ ...scenarios, ...policyScenarios }))("%s", ([, states]) => {
  test.for(Object.keys(deliveries))("learnt %s", (name) => {
    for (const order of [states, states.toReversed(), states.flatMap((state) => [state, emptySnapshot()])]) {
      const calculator = new NodeCalculator(thisNode);
      let before = emptySnapshot();
      for (const state of order) {
        const batches = deliveries[name]?.(changesBetween(before, state)) ?? [];
        for (const batch of batches) {
          calculator.apply(batch);
          calculator.plan();
        }
        expectPlan(calculator.plan(), state);
        expectPlan(restarted(state).plan(), state);
        before = state;
      }
    }
  });
});

test("after any changes in any batches the plan is that of the state they lead to", { timeout: 120_000 }, () => {
  const batches = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 10, maxLength: 25 });
  fc.assert(
    fc.property(history, batches, (start, following) => {
      const calculator = new NodeCalculator(thisNode);
      let snapshot = emptySnapshot();
      for (const batch of [start, ...following]) {
        calculator.apply(batch);
        snapshot = batch.reduce(withChange, snapshot);
        expectPlan(calculator.plan(), snapshot);
      }
    }),
    { numRuns: 150 },
  );
});

test("what says the same stays the same object, and an earlier plan is not written to", { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(history, fc.array(change, { minLength: 1, maxLength: 4 }), (first, second) => {
      const calculator = new NodeCalculator(thisNode);
      calculator.apply(first);
      const earlier = calculator.plan();
      const copy = structuredClone(earlier);
      calculator.apply(second);
      const later = calculator.plan();
      expect(earlier).toStrictEqual(copy);
      expectShared(earlier, later);
    }),
    { numRuns: 150 },
  );
});

test("a change repeated is no change", { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(history, (changes) => {
      const calculator = new NodeCalculator(thisNode);
      calculator.apply(changes);
      const plan = calculator.plan();
      const last = new Map(changes.map((one) => [`${one.kind} ${one.key}`, structuredClone(one)]));
      calculator.apply([...last.values()]);
      expect(calculator.plan()).toBe(plan);
    }),
    { numRuns: 100 },
  );
});

// --- internal ---

function expectPlan(plan: NodePlan, snapshot: Snapshot): void {
  expect(plan).toStrictEqual(planNode(snapshot, thisNode));
  for (const part of [plan.endpoints, plan.hostEndpoints, plan.policies, plan.sets]) {
    const keys: string[] = [...part.keys()];
    expect(keys).toEqual(keys.toSorted());
  }
}

/** A calculator that has just started and learns the state as a whole. */
function restarted(state: Snapshot): NodeCalculator {
  const calculator = new NodeCalculator(thisNode);
  calculator.apply(changesBetween(emptySnapshot(), state) as Change[]);
  return calculator;
}

function expectShared(earlier: NodePlan, later: NodePlan): void {
  for (const part of ["endpoints", "hostEndpoints", "policies", "sets"] as const) {
    const before: ReadonlyMap<string, object> = earlier[part];
    for (const [key, value] of later[part]) {
      const old = before.get(key);
      if (old !== undefined && isEqual(old, value)) expect(value, `${part} ${key}`).toBe(old);
    }
  }
  for (const part of ["pools", "masqueradedPools", "bgpNeighbours", "hosts"] as const) {
    if (isEqual(earlier[part], later[part])) expect(later[part], part).toBe(earlier[part]);
  }
  if (isEqual(earlier, later)) expect(later).toBe(earlier);
}

function isEqual(a: object, b: object): boolean {
  try {
    expect(a).toStrictEqual(b);
    return true;
  } catch {
    return false;
  }
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { namespacedName } from "../../src/api/names.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { type Disagreement, findDisagreement, type Planner } from "./judge.ts";
import { mutations } from "./mutations.ts";
import { cluster, viewOf } from "./random-cluster.ts";

test("rendered rules do with every connection what the specification says", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(cluster, (one) => {
      expect(findDisagreement(one, calculate)).toBeUndefined();
    }),
    { numRuns: 80 },
  );
});

test.for(Object.keys(mutations))("the judge sees the planted fault: %s", { timeout: 60_000 }, (name) => {
  expect(firstDisagreement(calculate, mutations[name])).toBeDefined();
});

test("the judge sees a policy left out of the plan", () => {
  const forgetful: Planner = (one, node) => {
    const networkPolicy = new Map(one.snapshot.networkPolicy);
    networkPolicy.delete(namespacedName("ns-1", "p1"));
    return calculate({ ...one, snapshot: { ...one.snapshot, networkPolicy } }, node);
  };
  expect(firstDisagreement(forgetful)).toBeDefined();
});

test("the judge sees an address lent to a pod that has given it back", () => {
  const credulous: Planner = (one, node) =>
    calculate({ ...one, snapshot: { ...one.snapshot, ipamBlock: new Map() } }, node);
  expect(firstDisagreement(credulous)).toBeDefined();
});

test("the judge sees an address lent to a pod that no node has", () => {
  const hasty: Planner = (one, node) => {
    const pod = new Map([...one.snapshot.pod].map(([key, each]) => [key, { ...each, node: each.node ?? node }]));
    return calculate({ ...one, snapshot: { ...one.snapshot, pod } }, node);
  };
  expect(firstDisagreement(hasty)).toBeDefined();
});

// --- internal ---

const calculate: Planner = (one, node) => {
  const calculator = new NodeCalculator(node);
  for (const [kind, objects] of Object.entries(viewOf(one, node))) {
    for (const [key, value] of objects) calculator.apply([{ kind, key, value } as Change]);
  }
  return calculator.plan();
};

/** Undefined also when judging threw: a fault must be seen as a disagreement. */
function firstDisagreement(planner: Planner, spoil?: (typeof mutations)[string]): Disagreement | undefined {
  let found: Disagreement | undefined;
  const property = fc.property(cluster, (one) => {
    found = findDisagreement(one, planner, spoil);
    return found === undefined;
  });
  fc.check(property, { numRuns: 200, seed: 1, endOnFailure: true });
  return found;
}

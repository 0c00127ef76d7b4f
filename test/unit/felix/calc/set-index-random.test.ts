import fc from "fast-check";
import { expect, test } from "vitest";
import { SetCluster, setStep } from "./set-cluster.ts";

test("after any changes every set in use holds what a look at everything finds", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(fc.array(setStep, { maxLength: 5 }), { minLength: 5, maxLength: 30 }), (batches) => {
      const cluster = new SetCluster();
      for (const batch of batches) {
        for (const one of batch) one(cluster);
        cluster.expectPlans();
      }
    }),
    { numRuns: 400 },
  );
});

test("a plan that was given out is not written to, and what did not change is the same object", {
  timeout: 60_000,
}, () => {
  fc.assert(
    fc.property(
      fc.array(setStep, { minLength: 30, maxLength: 80 }),
      fc.array(setStep, { maxLength: 3 }),
      (first, second) => {
        const cluster = new SetCluster();
        for (const one of first) one(cluster);
        const before = cluster.sets.plans();
        const copy = structuredClone(before);
        for (const one of second) one(cluster);
        const after = cluster.sets.plans();
        expect(before).toStrictEqual(copy);
        for (const [id, plan] of after) {
          const known = copy.get(id);
          const same = known !== undefined && [...known.members].sort().join() === [...plan.members].sort().join();
          expect(plan === before.get(id)).toBe(same);
        }
        const unchanged = after.size === before.size && [...after].every(([id, plan]) => plan === before.get(id));
        expect(after === before).toBe(unchanged);
      },
    ),
    { numRuns: 300 },
  );
});

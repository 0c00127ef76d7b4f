import { expect, test } from "vitest";
import type { Tier } from "../../../../src/api/tier.ts";
import { TierTable } from "../../../../src/felix/calc/tier-table.ts";

test("tiers stand by order, then name, those without an order last, and those that are not there after all", () => {
  const tiers = new TierTable();
  for (const one of [tier("late"), tier("b", 5), tier("a", 5), tier("last"), tier("early", -1)]) {
    tiers.set(one.metadata.name, one);
  }
  const names = ["none-2", "late", "last", "kube-baseline", "b", "none-1", "kube-admin", "default", "early", "a"];
  const sorted = names.toSorted((a, b) => tiers.compare(a, b));
  const built = ["kube-admin", "default", "kube-baseline"];
  expect(sorted).toEqual(["early", "a", "b", ...built, "last", "late", "none-1", "none-2"]);
});

test("the built-in tiers are as they are, whatever is written", () => {
  const tiers = new TierTable();
  expect(tiers.set("default", tier("default", 1, "Pass"))).toBe(false);
  expect(tiers.set("kube-admin", tier("kube-admin", 2_000_000, "Deny"))).toBe(false);
  expect(["default", "kube-admin", "kube-baseline", "nowhere"].map((one) => tiers.endAction(one))).toEqual([
    "deny",
    "pass",
    "pass",
    "deny",
  ]);
  expect(tiers.compare("kube-admin", "default")).toBeLessThan(0);
});

test("it says when something changed", () => {
  const tiers = new TierTable();
  const steps = [tier("t", 1), tier("t", 1), tier("t", 2), tier("t", 2, "Pass"), tier("t"), tier("t"), undefined];
  expect([...steps, undefined].map((one) => tiers.set("t", one))).toEqual([
    ...[true, false, true, true, true, false, true, false],
  ]);
});

// --- internal ---

function tier(name: string, order?: number, defaultAction: "Deny" | "Pass" = "Deny"): Tier {
  return { metadata: { name, labels: {}, annotations: {} }, spec: { order, defaultAction } };
}

/** Arbitrary selectors, labels, and texts of selectors, for property tests. */
import fc from "fast-check";
import type { Comparison, Junction, Membership, Selector } from "../../../../src/api/selector/selector.ts";

/** Few labels and values, so that tests hit; among them words that are also operators, and JavaScript's own names. */
export const label = fc.constantFrom(
  "app",
  "in",
  "not",
  "contains",
  "has",
  "all",
  "a.b/c-d",
  "constructor",
  "__proto__",
);
export const value = fc.constantFrom("", "web", "we", "b", "it's", 'say "x"', "a && b", "all()");

export const labels = fc.dictionary(
  label.filter((text) => text !== "__proto__"),
  value,
);

const comparison = fc.constantFrom<Comparison[]>("==", "!=", "contains", "starts with", "ends with");
const membership = fc.constantFrom<Membership[]>("in", "not in");
const junction = fc.constantFrom<Junction[]>("&&", "||");

export const selector: fc.Arbitrary<Selector> = fc.letrec<{ node: Selector }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ kind: comparison, label, value }),
    fc.record({ kind: membership, label, values: fc.array(value, { maxLength: 3 }) }),
    fc.record({ kind: fc.constant("has" as const), label }),
    fc.record({ kind: fc.constantFrom("all" as const, "global" as const) }),
    fc.record({ kind: fc.constant("not" as const), operand: tie("node") }),
    fc.record({ kind: junction, operands: fc.array(tie("node"), { maxLength: 3 }) }),
  ),
})).node;

import fc from "fast-check";
import { expect, test } from "vitest";
import { disjunction } from "../../../../src/api/selector/disjunction.ts";
import { formatSelector } from "../../../../src/api/selector/format-selector.ts";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import { selectorMatches } from "../../../../src/api/selector/selector-matches.ts";
import { labels, selector } from "./selectors.ts";

test("it selects what one of them selects", () => {
  const manyLabels = fc.array(labels, { minLength: 1 });
  fc.assert(
    fc.property(fc.array(selector, { maxLength: 4 }), selector, manyLabels, (operands, common, objects) => {
      const both = operands.map((operand) => ({ kind: "&&", operands: [operand, common] }) as const);
      for (const given of [operands, both]) {
        for (const object of objects) {
          const expected = given.some((operand) => selectorMatches(operand, object));
          expect(selectorMatches(disjunction(given), object)).toBe(expected);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  [["a == 'b' && has(n)", "has(n) && (c == 'd' && has(n))"], '((a == "b" || c == "d") && has(n))'],
  [["a == 'b' && has(n)", "has(n)"], "has(n)"],
  [["a == 'b'", "c == 'd'"], '(a == "b" || c == "d")'],
  [["a == 'b'", "all()"], "all()"],
  [["a == 'b' && c == 'd'"], '(a == "b" && c == "d")'],
  [[], "!all()"],
])("%j: %s", (texts, expected) => {
  expect(formatSelector(disjunction(texts.map((text) => parseSelector(text))))).toBe(expected);
});

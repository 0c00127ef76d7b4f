import { expect, test } from "vitest";
import { conjunction } from "../../../../src/api/selector/conjunction.ts";
import { formatSelector } from "../../../../src/api/selector/format-selector.ts";
import { mapTerms } from "../../../../src/api/selector/map-terms.ts";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import { prefixLabels } from "../../../../src/api/selector/prefix-labels.ts";

test("every label gets the prefix, at every depth, and nothing else changes", () => {
  const text =
    "a == 'a' && !(has(b) || c in {'c'} || !(d not in {'d'} && all() && global())) && e contains 'e' && f != 'f'";
  const prefixed =
    "p.a == 'a' && !(has(p.b) || p.c in {'c'} || !(p.d not in {'d'} && all() && global())) && p.e contains 'e' && p.f != 'f'";
  expect(prefixLabels(parseSelector(text), "p.")).toEqual(parseSelector(prefixed));
});

test("terms are replaced by whole selectors", () => {
  const replaced = mapTerms(parseSelector("all() || !(has(a) && all())"), (term) =>
    term.kind === "all" ? parseSelector("has(x) && has(y)") : term,
  );
  expect(formatSelector(replaced)).toBe("(!(has(a) && has(x) && has(y)) || (has(x) && has(y)))");
});

test("what all select: nothing more than one where there is one, and everything where there is none", () => {
  const [a, b] = [parseSelector("has(a)"), parseSelector("has(b) || has(c)")];
  expect(conjunction([])).toEqual({ kind: "all" });
  expect(conjunction([undefined])).toEqual({ kind: "all" });
  expect(conjunction([undefined, a])).toEqual(a);
  expect(conjunction([a, undefined, b])).toEqual({ kind: "&&", operands: [a, b] });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatSelector } from "../../../../src/api/selector/format-selector.ts";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import type { Selector } from "../../../../src/api/selector/selector.ts";
import { selectorMatches } from "../../../../src/api/selector/selector-matches.ts";
import { selectorOfLabelSelector } from "../../../../src/api/selector/selector-of-label-selector.ts";
import { label, labels, selector, value } from "./selectors.ts";

describe("formatSelector", () => {
  test("is read back with the same meaning and the same text", () => {
    fc.assert(
      fc.property(selector, fc.array(labels, { minLength: 1 }), (given, objects) => {
        const text = formatSelector(given);
        const read = parseSelector(text);
        expect(formatSelector(read)).toBe(text);
        for (const object of objects) expect(selectorMatches(read, object)).toBe(selectorMatches(given, object));
      }),
      { numRuns: 500 },
    );
  });

  test("does not depend on order, repetition or grouping", () => {
    fc.assert(
      fc.property(fc.constantFrom("&&" as const, "||" as const), selector, selector, selector, (kind, a, b, c) => {
        const join = (...operands: readonly Selector[]): Selector => ({ kind, operands });
        const text = formatSelector(join(a, b, c));
        expect(formatSelector(join(c, join(b, a, b)))).toBe(text);
        expect(formatSelector({ kind: "not", operand: { kind: "not", operand: join(b, c, a) } })).toBe(text);
      }),
    );
  });

  test.each([
    ["b=='2'&&(a  ==  \"1\")", '(a == "1" && b == "2")'],
    ["a in {'2','1','2'}", 'a in {"1", "2"}'],
    [`a == 'say "x"'`, `a == 'say "x"'`],
    ["!(has(a) || has(b))", "!(has(a) || has(b))"],
    ["all() && has(a)", "has(a)"],
    ["all() || has(a)", "all()"],
    ["", "all()"],
    ["global()", "global()"],
    ["a startswith 'x'", 'a starts with "x"'],
  ])("writes %j as %j", (text, canonical) => {
    expect(formatSelector(parseSelector(text))).toBe(canonical);
  });

  test("refuses a value that no quotes can hold", () => {
    expect(() => formatSelector({ kind: "==", label: "a", value: `'"` })).toThrow("both kinds of quote");
  });
});

describe("selectorOfLabelSelector", () => {
  const empty = { matchLabels: {}, matchExpressions: [] };

  test("selects everything when it is empty", () => {
    expect(formatSelector(selectorOfLabelSelector(empty))).toBe("all()");
  });

  test("gives one text for one meaning, whatever the order, and puts the prefix before every label", () => {
    const one = selectorOfLabelSelector({
      matchLabels: { b: "2", a: "1" },
      matchExpressions: [
        { key: "c", operator: "NotIn", values: ["y", "x"] },
        { key: "d", operator: "DoesNotExist", values: [] },
      ],
    });
    const other = selectorOfLabelSelector({
      matchLabels: { a: "1", b: "2" },
      matchExpressions: [
        { key: "d", operator: "DoesNotExist", values: [] },
        { key: "c", operator: "NotIn", values: ["x", "y", "x"] },
      ],
    });
    expect(formatSelector(one)).toBe('(!has(d) && a == "1" && b == "2" && c not in {"x", "y"})');
    expect(formatSelector(other)).toBe(formatSelector(one));
    const prefixed = selectorOfLabelSelector({ ...empty, matchLabels: { a: "1" } }, "pcns.");
    expect(formatSelector(prefixed)).toBe('pcns.a == "1"');
  });

  test("means what Kubernetes means by each operator", () => {
    const requirement = fc.record({ key: label, operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist") });
    fc.assert(
      fc.property(requirement, labels, fc.array(value), ({ key, operator }, object, values) => {
        const expected = {
          In: Object.hasOwn(object, key) && values.includes(object[key] ?? ""),
          NotIn: !Object.hasOwn(object, key) || !values.includes(object[key] ?? ""),
          Exists: Object.hasOwn(object, key),
          DoesNotExist: !Object.hasOwn(object, key),
        }[operator];
        const made = selectorOfLabelSelector({ ...empty, matchExpressions: [{ key, operator, values }] });
        expect(selectorMatches(made, object)).toBe(expected);
      }),
    );
  });
});

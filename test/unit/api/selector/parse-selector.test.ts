import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import { SelectorError } from "../../../../src/api/selector/selector-error.ts";

describe("parseSelector", () => {
  test.each([
    ["", { kind: "all" }],
    [" \t", { kind: "all" }],
    ["all( )", { kind: "all" }],
    ["global()", { kind: "global" }],
    ["has( a.b/c-d_e )", { kind: "has", label: "a.b/c-d_e" }],
    ["a == 'b'", { kind: "==", label: "a", value: "b" }],
    [`a!="it's"`, { kind: "!=", label: "a", value: "it's" }],
    ["a in {'x', \"y\",}", { kind: "in", label: "a", values: ["x", "y"] }],
    ["a in {}", { kind: "in", label: "a", values: [] }],
    ["a not in {'x'}", { kind: "not in", label: "a", values: ["x"] }],
    ["a notin{'x'}", { kind: "not in", label: "a", values: ["x"] }],
    ["a contains 'x'", { kind: "contains", label: "a", value: "x" }],
    ["a startswith 'x'", { kind: "starts with", label: "a", value: "x" }],
    ["a starts \t with 'x'", { kind: "starts with", label: "a", value: "x" }],
    ["a ends with'x'", { kind: "ends with", label: "a", value: "x" }],
    ["in in {'in'}", { kind: "in", label: "in", values: ["in"] }],
    ["has == 'x'", { kind: "==", label: "has", value: "x" }],
    ["!!has(a)", { kind: "has", label: "a" }],
    ["! ! !a == 'x'", { kind: "not", operand: { kind: "==", label: "a", value: "x" } }],
  ])("reads %j", (text, selector) => {
    expect(parseSelector(text)).toEqual(selector);
  });

  test("lets && bind closer than ||, and parentheses closest", () => {
    const has = (label: string) => ({ kind: "has", label });
    expect(parseSelector("has(a) || has(b) && has(c) || has(d)")).toEqual({
      kind: "||",
      operands: [has("a"), { kind: "&&", operands: [has("b"), has("c")] }, has("d")],
    });
    expect(parseSelector("!(has(a) || has(b)) && has(c)")).toEqual({
      kind: "&&",
      operands: [{ kind: "not", operand: { kind: "||", operands: [has("a"), has("b")] } }, has("c")],
    });
  });

  test.each([
    ["a", 1, "at its end, an operator was expected"],
    ["a = 'b'", 2, "at character 3, an operator was expected"],
    ["a == b", 5, "at character 6, a string in quotes was expected"],
    ["a == 'b", 5, "at character 6, the string is not closed by '"],
    ["a in 'b'", 5, "at character 6, a { was expected"],
    ["a in {'b' 'c'}", 10, "at character 11, a , or a } was expected"],
    ["a in {,}", 6, "at character 7, a string in quotes or a } was expected"],
    ["a not 'b'", 2, "at character 3, an operator was expected"],
    ["has()", 4, "at character 5, a label was expected"],
    ["has(a", 5, "at its end, the ) of has( was expected"],
    ["all(a)", 4, "at character 5, the ) of all( was expected"],
    ["all ()", 4, "at character 5, an operator was expected"],
    ["(has(a)", 7, "at its end, a ) was expected"],
    ["has(a))", 6, "at character 7, &&, || or the end was expected"],
    ["has(a) has(b)", 7, "at character 8, &&, || or the end was expected"],
    ["has(a) &&", 9, "at its end, a label, has(…), all(), global(), ! or ( was expected"],
    ["has(a) & has(b)", 7, "at character 8, a label was expected"],
    ["a == 'b'\n", 8, "at character 9, a label was expected"],
    ["é == 'b'", 0, "at character 1, a label was expected"],
    [`${"x".repeat(513)} == 'b'`, 0, "longer than 512 characters"],
  ])("refuses %j at the right place", (text, position, sentence) => {
    let error: unknown;
    try {
      parseSelector(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SelectorError);
    expect(error).toMatchObject({ selector: text, position });
    expect((error as Error).message).toContain(`Cannot read the selector ${JSON.stringify(text)}: `);
    expect((error as Error).message).toContain(sentence);
  });

  test("refuses a nesting that would exhaust the stack", () => {
    expect(() => parseSelector(`${"(".repeat(100_000)}all()${")".repeat(100_000)}`)).toThrow(SelectorError);
    expect(parseSelector(`${"(".repeat(500)}all()${")".repeat(500)}`)).toEqual({ kind: "all" });
  });

  test("answers any text with a selector or a SelectorError within it", () => {
    const piece = fc.constantFrom(
      "a",
      "in",
      "not ",
      "has(",
      "all()",
      "(",
      ")",
      "{",
      "}",
      ",",
      "'x'",
      "==",
      "!",
      "&&",
      " ",
      "'",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (text) => {
          try {
            parseSelector(text);
          } catch (error) {
            if (!(error instanceof SelectorError)) throw error;
            expect(error.position).toBeGreaterThanOrEqual(0);
            expect(error.position).toBeLessThanOrEqual(text.length);
          }
        },
      ),
    );
  });
});

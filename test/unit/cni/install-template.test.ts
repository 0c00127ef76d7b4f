import fc from "fast-check";
import { expect, test } from "vitest";
import { asksFor, fillTemplate } from "../../../src/cni/install/fill-template.ts";

test("a string's placeholder is filled in as part of a string, a bare one as a value of its own", () => {
  const template = '{"a": "__A__", "b": "x/__A__/__B__", "c": __B__, "d": __A__, "__B__": 1}';
  expect(JSON.parse(fillTemplate(template, { A: "word", B: "1450" }))).toEqual({
    a: "word",
    b: "x/word/1450",
    c: 1450,
    d: "word",
    "1450": 1,
  });
});

test("whatever a value holds, the template keeps its form and the field has that value", () => {
  const template = '{"quoted": "<__A__>", "escaped \\" __A__": 1, "bare": __A__, "last": ["__B__"]}';
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom('", "x": "', "\\", '\\"', "__B__", "$&", "$1", "\n", "1e5"),
      ),
      (value) => {
        fc.pre(!/^(0|[1-9]\d*)$/.test(value));
        expect(JSON.parse(fillTemplate(template, { A: value, B: "b" }))).toEqual({
          quoted: `<${value}>`,
          [`escaped " ${value}`]: 1,
          bare: value,
          last: ["b"],
        });
      },
    ),
  );
});

test("what a value holds is not filled in again", () => {
  expect(fillTemplate('"__A__" __A__', { A: "__B__", B: "secret" })).toBe('"__B__" "__B__"');
});

test("a placeholder that nothing is known of is refused by its name", () => {
  const fill = (template: string) => () => fillTemplate(template, { CNI_MTU: "0" });
  expect(fill('{"a": "__CNI_MTO__", "b": __OTHER__}')).toThrow(
    "__CNI_MTO__, __OTHER__, and what can be filled in is __CNI_MTU__",
  );
  expect(fill('{"a": "__constructor__", "b": "__toString__", "c": "____"}')).not.toThrow();
});

test("a template asks for a name only by its placeholder", () => {
  expect(asksFor('{"a": "__TOKEN__"}', "TOKEN")).toBe(true);
  expect(asksFor('{"a": "TOKEN"}', "TOKEN")).toBe(false);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { formatJson, parseJson } from "../../../src/kube/json.ts";

test("an integer too large for a number keeps every digit", () => {
  const text = '{"sequenceNumber":1790263475908126721,"negative":-9007199254740993,"safe":9007199254740991}';
  const value = parseJson(text);
  expect(value).toEqual({
    sequenceNumber: 1790263475908126721n,
    negative: -9007199254740993n,
    safe: 9007199254740991,
  });
  expect(formatJson(value)).toBe(text);
});

test("text made of digits stays text, and a fraction stays a number", () => {
  expect(parseJson('{"a":"1790263475908126721","b":0.12345678901234560,"c":1e300}')).toEqual({
    a: "1790263475908126721",
    b: 0.1234567890123456,
    c: 1e300,
  });
});

test("digits in a string that looks like a number's place stay text", () => {
  const text = String.raw`{"a":"{\"x\":1790263475908126721,\"y\":2}","b":1790263475908126721,"c":":1790263475908126722,"}`;
  const value = { a: '{"x":1790263475908126721,"y":2}', b: 1790263475908126721n, c: ":1790263475908126722," };
  expect(parseJson(text)).toEqual(value);
});

test("what is no JSON is an error, also beside a large number", () => {
  for (const text of ['{"a":01790263475908126721}', '{"a":1790263475908126721,}', '{"a":-01790263475908126721}']) {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  }
});

test("what is written reads back the same", () => {
  const beyond = fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n });
  const unit = fc.constantFrom('"', "\\", ":", ",", "}", " ", "x", "\u0000", "1790263475908126721");
  const tricky = fc.string({ unit });
  const value = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.string(), tricky, fc.integer(), fc.boolean(), fc.constant(null), beyond),
    tree: fc.oneof(
      { maxDepth: 3 },
      tie("leaf"),
      fc.array(tie("tree")),
      fc.dictionary(
        fc.oneof(fc.string(), tricky).filter((key) => key !== "__proto__"),
        tie("tree"),
        { noNullPrototype: true },
      ),
    ),
  })).tree;
  fc.assert(
    fc.property(value, (one) => {
      expect(parseJson(formatJson(one))).toEqual(one);
    }),
  );
});

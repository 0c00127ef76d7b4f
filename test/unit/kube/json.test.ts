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

test("what is written reads back the same", () => {
  const beyond = fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n });
  const value = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), beyond),
    tree: fc.oneof(
      { maxDepth: 3 },
      tie("leaf"),
      fc.array(tie("tree")),
      fc.dictionary(
        fc.string().filter((key) => key !== "__proto__"),
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

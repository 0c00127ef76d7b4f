import { expect, test } from "vitest";
import { parseExpectedMatrix } from "../../../lab/expected-matrix.ts";
import { differencesOf, formatMatrix, verdictIn } from "../../../lab/format-matrix.ts";
import type { Matrix, Party } from "../../../lab/matrix.ts";

function party(group: string, address: string): Party {
  return { group, name: `${group}-x`, address, ports: [80], place: "node-1", socket: "/none" };
}

const [a, b] = [party("n/a", "192.168.0.1"), party("n/b", "192.168.0.2")];

function matrixOf(ab: string, ba: string): Matrix {
  return {
    rows: [a, b],
    columns: [
      { party: a, port: 80 },
      { party: b, port: 80 },
    ],
    answers: [
      [undefined, ab],
      [ba, undefined],
    ],
  };
}

const expected = verdictIn(
  parseExpectedMatrix(`# by hand
          n/a:80  n/b:80
  n/a       -       +
  n/b       -       -
`),
);

test("a matrix as it should be has no difference", () => {
  expect(differencesOf(matrixOf("open", "timeout"), expected)).toEqual([]);
});

test("tells each difference; refused is not dropped", () => {
  expect(differencesOf(matrixOf("timeout", "ECONNREFUSED"), expected)).toEqual([
    "n/a-x to n/b-x:80: is - (timeout), should be +",
    "n/b-x to n/a-x:80: is x (ECONNREFUSED), should be -",
  ]);
});

test("prints what is beside what should be, and marks each difference", () => {
  expect(formatMatrix(matrixOf("timeout", "timeout"), expected)).toBe(
    [
      "  1  n/a-x:80  192.168.0.1      node-1",
      "  2  n/b-x:80  192.168.0.2      node-1",
      "",
      "        measured      expected",
      "        1  2          1  2",
      "n/a-x     !-             +",
      "n/b-x   -             -",
      "",
      "+ gets through   - is dropped   x is refused or closed",
      "",
    ].join("\n"),
  );
});

test.each([
  ["a:1 b:1\nx + \n", "row x has 1 cells, not 2"],
  ["a:1\nx yes\n", "x has yes"],
])("refuses %j", (text, message) => {
  expect(() => parseExpectedMatrix(text)).toThrow(`Cannot read the expected matrix: ${message}`);
});

test("a pair that nobody wrote down is an error, not a guess", () => {
  expect(() => parseExpectedMatrix("a:1\nx +\n").verdict("x", "c:1")).toThrow("Cannot find x to c:1");
});

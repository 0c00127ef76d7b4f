/** A matrix as text for a person. */
import type { ExpectedMatrix, Verdict } from "./expected-matrix.ts";
import type { Door, Matrix, Party } from "./matrix.ts";

/** What should come of `from` asking `to`. */
export type Expectation = (from: Party, to: Door) => Verdict;

/** Where a matrix is not as it should be, a sentence each. A refused connection (`x`) is not a dropped one. */
export function differencesOf(matrix: Matrix, expected: Expectation): readonly string[] {
  return matrix.rows.flatMap((row, rowIndex) =>
    matrix.columns.flatMap((column, columnIndex) => {
      const answer = matrix.answers[rowIndex]?.[columnIndex];
      const actual = markOf(answer);
      const wanted = actual === " " ? " " : expected(row, column);
      if (actual === wanted) return [];
      return [`${row.name} to ${nameOf(column)}: is ${actual} (${answer}), should be ${wanted}`];
    }),
  );
}

/** The expectation that a written matrix states. */
export function verdictIn(expected: ExpectedMatrix): Expectation {
  return (from, { party, port }) => expected.verdict(from.group, `${party.group}:${port}`);
}

/** The matrix as it is; beside it, when `expected` is given, as it should be, with `!` at each difference. */
export function formatMatrix(matrix: Matrix, expected?: Expectation): string {
  const nameWidth = Math.max(...matrix.rows.map(({ name }) => name.length)) + 1;
  const numbers = matrix.columns.map((_, index) => `${index + 1}`.padStart(3)).join("");
  const grids = matrix.rows.map((_, rowIndex) => gridsOf(matrix, rowIndex, expected));
  const heads =
    expected === undefined
      ? [[numbers]]
      : [
          ["  measured", "  expected"],
          [numbers, numbers],
        ];
  const gridWidth = Math.max(numbers.length, 10);
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(nameWidth)}${cells.map((cell) => cell.padEnd(gridWidth)).join("    ")}`.trimEnd();
  const rows = matrix.rows.map(({ name }, rowIndex) => line(name, grids[rowIndex] ?? []));
  const key = "+ gets through   - is dropped   x is refused or closed";
  return [...legendOf(matrix), "", ...heads.map((cells) => line("", cells)), ...rows, "", key, ""].join("\n");
}

// --- internal ---

/** One row of the measured grid, and of the expected one. */
function gridsOf(matrix: Matrix, rowIndex: number, expected: Expectation | undefined): readonly string[] {
  const row = matrix.rows[rowIndex];
  const actual = matrix.columns.map((_, index) => markOf(matrix.answers[rowIndex]?.[index]));
  if (expected === undefined || row === undefined) return [actual.map((mark) => `  ${mark}`).join("")];
  const wanted = matrix.columns.map((column, index) => (actual[index] === " " ? " " : expected(row, column)));
  const marked = actual.map((mark, index) => (mark === wanted[index] ? `  ${mark}` : ` !${mark}`));
  return [marked.join(""), wanted.map((mark) => `  ${mark}`).join("")];
}

function legendOf({ columns }: Matrix): readonly string[] {
  const width = Math.max(...columns.map((door) => nameOf(door).length));
  return columns.map((door, index) => {
    const { address, place } = door.party;
    return `${`${index + 1}`.padStart(3)}  ${nameOf(door).padEnd(width)}  ${address.padEnd(15)}  ${place}`;
  });
}

function nameOf({ party, port }: Door): string {
  return `${party.name}:${port}`;
}

/** A space where nothing was asked. */
function markOf(answer: string | undefined): Verdict | "x" | " " {
  if (answer === undefined) return " ";
  if (answer === "open") return "+";
  return answer === "timeout" ? "-" : "x";
}

/** The matrix that a person wrote: which group of pods must reach which. */

/** `+` gets through, `-` is dropped. */
export type Verdict = "+" | "-";

export interface ExpectedMatrix {
  /** Throws a sentence when the file says nothing about this pair. */
  verdict(from: string, to: string): Verdict;
}

/**
 * Reads a table: a first line of columns, e.g. `shop/db:5432`, then rows that begin with a group, e.g. `shop/web`.
 * `#` begins a comment line. Throws a sentence that names the line when it is not such a table.
 */
export function parseExpectedMatrix(text: string): ExpectedMatrix {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const [columns = [], ...rows] = lines.map((line) => line.trim().split(/\s+/));
  const cells = new Map<string, Verdict>();
  for (const [from = "", ...verdicts] of rows) {
    if (verdicts.length !== columns.length) {
      throw new Error(
        `Cannot read the expected matrix: row ${from} has ${verdicts.length} cells, not ${columns.length}`,
      );
    }
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict !== "+" && verdict !== "-")
        throw new Error(`Cannot read the expected matrix: ${from} has ${verdict}`);
      cells.set(`${from} ${columns[index]}`, verdict);
    }
  }
  return {
    verdict: (from, to) => {
      const verdict = cells.get(`${from} ${to}`);
      if (verdict === undefined) throw new Error(`Cannot find ${from} to ${to} in the expected matrix`);
      return verdict;
    },
  };
}

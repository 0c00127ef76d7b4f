import { columnWidths } from "./column-widths.ts";

/** One column of a `formatBoxedTable`. */
export interface BoxedColumn {
  readonly header: string;
  /** Numbers stand on the right. */
  readonly align?: "left" | "right";
}

/** Rows in a frame, under a header, as calicoctl draws its tables. Ends with a line end. */
export function formatBoxedTable(columns: readonly BoxedColumn[], rows: readonly (readonly string[])[]): string {
  const headers = columns.map(({ header }) => header);
  const widths = columnWidths([headers, ...rows]);
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const line = (row: readonly string[]) => {
    const cells = columns.map(({ align }, index) => {
      const [text, width] = [row[index] ?? "", widths[index] ?? 0];
      return ` ${align === "right" ? text.padStart(width) : text.padEnd(width)} `;
    });
    return `|${cells.join("|")}|`;
  };
  return `${[rule, line(headers), rule, ...rows.map(line), rule].join("\n")}\n`;
}

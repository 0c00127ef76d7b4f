/** How many characters each column takes: as many as the longest cell in it. Every row has the first one's columns. */
export function columnWidths(rows: readonly (readonly string[])[]): readonly number[] {
  const [first = []] = rows;
  return first.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
}

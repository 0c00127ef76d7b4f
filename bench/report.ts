/** The one shape of every benchmark's outcome (docs/DESIGN.md, "How we know it works"). Pure. */

/** Measured values by name; a name carries its unit, and stays the same from one version to the next. */
export type Figures = Readonly<Record<string, number>>;

/** What a figure has to reach. */
type Target = { readonly min: number } | { readonly max: number };

/** The targets of a benchmark, by figure. */
export type Targets = Readonly<Record<string, Target>>;

/** One run of a benchmark. */
export interface Report {
  readonly bench: string;
  readonly figures: Figures;
  readonly targets: Targets;
  /** The figures that are not as they have to be, or were not measured though they have a target. */
  readonly missed: readonly string[];
}

/** The report of what was measured, each figure to four significant digits. */
export function reportOf(bench: string, measured: Figures, targets: Targets): Report {
  const rounded = Object.entries(measured).map(([name, value]) => [name, Number(value.toPrecision(4))] as const);
  const figures = Object.fromEntries(rounded);
  const missed = Object.entries(targets).flatMap(([name, target]) => (reaches(figures[name], target) ? [] : [name]));
  return { bench, figures, targets, missed };
}

/** The one line that programs read. */
export function formatLine({ bench, figures, targets, missed }: Report): string {
  return JSON.stringify({ bench, figures, targets, missed });
}

/** The table that people read; `comparison` says by figure what else is known of it. Ends with a line end. */
export function formatTable({ bench, figures, targets, missed }: Report, comparison: Readonly<Record<string, string>>) {
  const names = [...new Set([...Object.keys(figures), ...Object.keys(targets)])];
  const rows = names.map((name) => [
    name,
    figures[name] === undefined ? "not measured" : String(figures[name]),
    targetText(targets[name], missed.includes(name)),
    comparison[name] ?? "",
  ]);
  const table = [[`bench ${bench}`, "measured", "target", "compare"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

// --- internal ---

/** A figure that is not a number reaches nothing. */
function reaches(value: number | undefined, target: Target): boolean {
  if (value === undefined) return false;
  return "min" in target ? value >= target.min : value <= target.max;
}

function targetText(target: Target | undefined, missed: boolean): string {
  if (target === undefined) return "";
  const bound = "min" in target ? `>= ${target.min}` : `<= ${target.max}`;
  return missed ? `${bound} MISSED` : bound;
}

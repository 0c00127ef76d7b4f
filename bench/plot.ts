/** A line plot with two logarithmic axes, as the text of an SVG file. Pure. */

/** One line of a plot; both numbers of a point are above zero. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a plot says of itself. */
export interface PlotLabels {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

/** Draws all series in one frame that begins and ends at powers of ten. Throws when there is no point, or one that a logarithm has no place for. */
export function plotOf(series: readonly Series[], labels: PlotLabels): string {
  const points = series.flatMap((one) => one.points);
  if (points.length === 0 || points.some(([x, y]) => !(x > 0 && y > 0))) {
    throw new Error("Cannot plot: every series needs points, and every point two numbers above zero");
  }
  const [x, y] = [
    axisOf(
      points.map(([value]) => value),
      left,
      right,
    ),
    axisOf(
      points.map(([, value]) => value),
      bottom,
      top,
    ),
  ];
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<title>${escaped(labels.title)}</title>`,
    text(width / 2, 20, labels.title, "middle"),
    text((left + right) / 2, height - 8, labels.x, "middle"),
    text(8, 36, labels.y, "start"),
    ...x.ticks.map(
      (tick) =>
        gridLine([x.at(tick), bottom, x.at(tick), top]) + text(x.at(tick), bottom + 16, tickText(tick), "middle"),
    ),
    ...y.ticks.map(
      (tick) => gridLine([left, y.at(tick), right, y.at(tick)]) + text(left - 6, y.at(tick) + 4, tickText(tick), "end"),
    ),
    ...series.map((one, index) => seriesLine(one, { colour: colours[index % colours.length] ?? "black", index, x, y })),
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

// --- internal ---

const [width, height] = [760, 440];
const [left, right, top, bottom] = [64, 560, 48, 392];
const colours = ["#0b6", "#06c", "#c30", "#939", "#a70", "#333"];

interface Axis {
  /** Where the value is on the page. */
  at(value: number): number;
  /** Powers of ten. */
  readonly ticks: readonly number[];
}

function axisOf(values: readonly number[], from: number, to: number): Axis {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))));
  const at = (value: number) => round(from + ((Math.log10(value) - first) / (last - first)) * (to - from));
  return { at, ticks: Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index)) };
}

interface Drawn {
  readonly colour: string;
  readonly index: number;
  readonly x: Axis;
  readonly y: Axis;
}

function seriesLine({ name, points }: Series, { colour, index, x, y }: Drawn): string {
  const places = points.map(([px, py]) => [x.at(px), y.at(py)] as const);
  const line = `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(",")).join(" ")}"/>`;
  const dots = places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
  const legend = `<circle cx="${right + 16}" cy="${top + 20 * index}" r="4" fill="${colour}"/>`;
  return [line, ...dots, legend, text(right + 26, top + 4 + 20 * index, name, "start")].join("");
}

function gridLine([x1, y1, x2, y2]: readonly [number, number, number, number]): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function tickText(value: number): string {
  return value >= 1 ? String(Math.round(value)) : value.toPrecision(1);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

import { expect, test } from "vitest";
import { formatLine, formatTable, reportOf } from "../../../bench/report.ts";

const targets = { rate_per_s: { min: 300 }, writes: { max: 1.2 } };

test("a figure that is exactly its target reaches it; one beyond, on the wrong side, is missed", () => {
  expect(reportOf("x", { rate_per_s: 300, writes: 1.2 }, targets).missed).toEqual([]);
  expect(reportOf("x", { rate_per_s: 299.9, writes: 1.1 }, targets).missed).toEqual(["rate_per_s"]);
  expect(reportOf("x", { rate_per_s: 301, writes: 1.201 }, targets).missed).toEqual(["writes"]);
});

test("a target whose figure was not measured, or came to no number, is missed", () => {
  expect(reportOf("x", { rate_per_s: 400 }, targets).missed).toEqual(["writes"]);
  expect(reportOf("x", { rate_per_s: Number.NaN, writes: 1 }, targets).missed).toEqual(["rate_per_s"]);
});

test("the line is one line of JSON with the four fields, and rounds figures to four digits", () => {
  const line = formatLine(reportOf("x", { rate_per_s: 312.3456, writes: 1.04321, big: 123_456 }, targets));
  expect(line).toBe(
    '{"bench":"x","figures":{"rate_per_s":312.3,"writes":1.043,"big":123500},' +
      '"targets":{"rate_per_s":{"min":300},"writes":{"max":1.2}},"missed":[]}',
  );
});

test("the judgement is of the figure that is printed", () => {
  expect(reportOf("x", { writes: 1.20004 }, { writes: { max: 1.2 } })).toMatchObject({
    figures: { writes: 1.2 },
    missed: [],
  });
});

test("the table has every figure and target, what is missed, and what it compares with", () => {
  const report = reportOf("x", { rate_per_s: 12, other_ms: 3 }, targets);
  expect(formatTable(report, { rate_per_s: "upstream: 16" })).toBe(
    [
      "bench x     measured      target         compare",
      "rate_per_s  12            >= 300 MISSED  upstream: 16",
      "other_ms    3",
      "writes      not measured  <= 1.2 MISSED",
      "",
    ].join("\n"),
  );
});

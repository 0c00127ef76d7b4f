import { expect, test } from "vitest";
import { plotOf } from "../../../bench/plot.ts";

const labels = { title: "a < b & c", x: "pods", y: "ms" };

test("a power of ten more is the same way further on either axis", () => {
  const svg = plotOf(
    [
      {
        name: "one",
        points: [
          [10, 1],
          [100, 10],
          [1000, 100],
        ],
      },
    ],
    labels,
  );
  const places =
    /points="([^"]*)"/
      .exec(svg)?.[1]
      ?.split(" ")
      .map((place) => place.split(",").map(Number)) ?? [];
  const [[x0 = 0, y0 = 0] = [], [x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = places;
  expect([x2 - x1, y2 - y1]).toEqual([x1 - x0, y1 - y0]);
  expect([Math.sign(x1 - x0), Math.sign(y1 - y0)]).toEqual([1, -1]);
});

test("what people wrote is escaped", () => {
  expect(plotOf([{ name: "x<y", points: [[1, 1]] }], labels)).toContain("<title>a &lt; b &amp; c</title>");
  expect(plotOf([{ name: "x<y", points: [[1, 1]] }], labels)).toContain(">x&lt;y</text>");
});

test.each([[[]], [[[0, 1]]], [[[1, Number.NaN]]]])("there is no plot of %j", (points) => {
  expect(() => plotOf([{ name: "one", points: points as [number, number][] }], labels)).toThrow(/^Cannot plot: /);
});

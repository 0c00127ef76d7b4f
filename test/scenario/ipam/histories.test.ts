import fc from "fast-check";
import { expect, test } from "vitest";
import { busyHistories, fine, type History, histories, sizeHistories } from "./operations.ts";
import { addFigures, type Figures, noFigures, runHistory } from "./run-history.ts";

test("histories without mishaps: every address is one holder's, and nothing is left in the end", async () => {
  const figures = await every(histories(40, fine), 400);
  expect(figures.given).toBeGreaterThan(figures.refused);
}, 120_000);

test.each([
  [20, 600],
  [40, 600],
  [80, 600],
  [160, 500],
])(
  "calls that are lost, late or old, and processes killed at any of them, change nothing of that: up to %i operations",
  async (longest, count) => {
    const figures = await every(histories(longest), count);
    expect(figures.kills).toBeGreaterThan(count);
  },
  120_000,
);

test("pods that come and go in quick turn are given what is held in advance, and nothing of that is left", async () => {
  const calm = await every(busyHistories(fine), 100);
  expect(calm.fromReserve).toBeGreaterThan(100);
  const { fromReserve, straysNamed, straysFreed, givenBack } = await every(busyHistories(), 250);
  for (const figure of [fromReserve, straysNamed, straysFreed, givenBack]) expect(figure).toBeGreaterThan(0);
}, 120_000);

test("block sizes that change under nodes that hear of it late: no address lies in two blocks that are in use", async () => {
  await every(sizeHistories, 600);
}, 120_000);

test("a release that was decided on before its address was given again frees nothing", async () => {
  const anew = Array.from({ length: 12 }, () => ({ op: "add", pod: 0, want: "fixed", turns: 2 }) as const);
  const operations: History["operations"] = [
    { op: "add", pod: 0, want: "fixed", turns: 60 },
    { op: "remove", pod: 0, turns: 0 },
    { op: "collect", what: "addresses", turns: 4 },
    ...anew,
  ];
  const choices = fc.array(fc.nat({ max: 3 }), { minLength: 80, maxLength: 80 });
  await every(
    choices.map((some) => ({ operations, fates: [], choices: some, isLarge: false })),
    100,
  );
}, 120_000);

// --- internal ---

/** Every one of so many random histories, the same each time, keeps to the rules. `make soak` runs ever new ones. */
async function every(arbitrary: fc.Arbitrary<History>, numRuns: number): Promise<Figures> {
  let figures = noFigures;
  const property = fc.asyncProperty(arbitrary, async (history) => {
    figures = addFigures(figures, await runHistory(history));
  });
  // A failure is told of while the runner still listens, be it shrunk to the end or not.
  await fc.assert(property, { numRuns, seed: 4271, interruptAfterTimeLimit: 90_000 });
  return figures;
}

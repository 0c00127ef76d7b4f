import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { WireTurns } from "../../../src/cni/wire-turns.ts";

function asked(turns: WireTurns, count: number) {
  const begun: number[] = [];
  const ends = Array.from({ length: count }, () => Promise.withResolvers<void>());
  const runs = ends.map((end, index) =>
    turns.run(async () => {
      begun.push(index);
      await end.promise;
      return index;
    }),
  );
  return { begun, ends, runs };
}

test("one at a time, in the order in which they came, also after one that fails", async () => {
  const turns = new WireTurns();
  const { begun, ends, runs } = asked(turns, 3);
  await nextTurn();
  expect(begun).toEqual([0]);
  ends[0]?.reject(new Error("no link"));
  await expect(runs[0]).rejects.toThrow("no link");
  await nextTurn();
  expect(begun).toEqual([0, 1]);
  ends[1]?.resolve();
  ends[2]?.resolve();
  expect(await Promise.all(runs.slice(1))).toEqual([1, 2]);
});

test("it is crowded while four or more want a turn, whether they have it or wait", async () => {
  const turns = new WireTurns();
  const { ends, runs } = asked(turns, 4);
  expect([turns.isCrowded, turns.asked]).toEqual([true, 4]);
  ends[0]?.resolve();
  await runs[0];
  expect([turns.isCrowded, turns.asked]).toEqual([false, 3]);
  for (const end of ends) end.resolve();
  await Promise.all(runs);
});

test("who leaves its turn lets the next begin, and is still waited for", async () => {
  const turns = new WireTurns();
  const end = Promise.withResolvers<string>();
  const first = turns.run((leave) => {
    leave();
    return end.promise;
  });
  expect(await turns.run(async () => "second")).toBe("second");
  end.resolve("first");
  expect(await first).toBe("first");
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOf } from "../../../src/kube/lines.ts";

async function* piecesOf(pieces: readonly string[]) {
  yield* pieces;
}

test("however a text is cut into pieces, its lines are the same", async () => {
  const pieces = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "\n") }));
  await fc.assert(
    fc.asyncProperty(pieces, async (some) => {
      const text = some.join("");
      const whole = text.endsWith("\n") ? text.slice(0, -1).split("\n") : text.split("\n");
      expect((await Array.fromAsync(linesOf(piecesOf(some)))).flat()).toEqual(text === "" ? [] : whole);
    }),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { mergedMap } from "../../../../src/felix/calc/merged-map.ts";

const part = fc.record({ size: fc.nat(3) });
const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "é", "Z", "aa");

test("is the same as a map that was made and sorted anew, and leaves the one before as it was", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(key, part), { selector: ([name]) => name }),
      fc.uniqueArray(fc.tuple(key, fc.option(part, { nil: undefined })), { selector: ([name]) => name }),
      (parts, changed) => {
        const before = sorted(new Map(parts));
        const copy = [...before];
        const anew = new Map(before);
        for (const [name, value] of changed) {
          if (value === undefined) anew.delete(name);
          else anew.set(name, value);
        }
        expect([...mergedMap(before, new Map(changed))]).toEqual([...sorted(anew)]);
        expect([...before]).toEqual(copy);
      },
    ),
  );
});

// --- internal ---

function sorted<V>(map: ReadonlyMap<string, V>): ReadonlyMap<string, V> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

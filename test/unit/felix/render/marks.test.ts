import { expect, test } from "vitest";
import { allMarks, marksFromMask } from "../../../../src/felix/render/marks.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";

test("marks are the lowest bits of the mask, in upstream's order, wherever those are", () => {
  expect(marksFromMask(0xffff0000)).toEqual({
    accept: 0x10000,
    pass: 0x20000,
    allBlocks: 0x80000,
    thisBlock: 0x100000,
  });
  expect(marksFromMask(0xaaaa)).toEqual({ accept: 0x2, pass: 0x8, allBlocks: 0x80, thisBlock: 0x200 });
  expect(marksFromMask(0xff000000)).toEqual({ accept: 2 ** 24, pass: 2 ** 25, allBlocks: 2 ** 27, thisBlock: 2 ** 28 });
  expect(defaultRenderOptions.marks).toEqual(marksFromMask(0xffff0000));
});

test("every bit that is written is one of the mask", () => {
  expect(allMarks(marksFromMask(0xaaaa))).toBe(0x28a);
});

test.for([0, 0x7f, 0xfe00, -1, 1.5, 2 ** 32, Number.NaN])("the mask %d is refused", (mask) => {
  expect(() => marksFromMask(mask)).toThrow(
    `Cannot take packet marks from the mask ${mask}: it must have at least 8 bits`,
  );
});

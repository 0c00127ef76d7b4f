import fc from "fast-check";
import { expect, test } from "vitest";
import { sharedText } from "../../../../src/kube/protobuf/shared-text.ts";

test("bytes in the midst of others say what their UTF-8 says, the first time and again", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 40 })), (texts) => {
      const bytes = Buffer.from(texts.join(""));
      for (let round = 0; round < 2; round++) {
        let start = 0;
        for (const text of texts.map((one) => Buffer.from(one))) {
          expect(sharedText(bytes, start, start + text.length)).toBe(text.toString("utf8"));
          start += text.length;
        }
      }
    }),
  );
});

test("so do bytes that are no UTF-8, after others that look alike", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3 }), (noise) => {
      const bytes = Buffer.from(noise);
      sharedText(Buffer.from(bytes.toString("latin1")), 0, Buffer.byteLength(bytes.toString("latin1")));
      expect(sharedText(bytes, 0, bytes.length)).toBe(bytes.toString("utf8"));
    }),
  );
});

test("many more texts than are remembered are told apart, and from none", () => {
  for (let round = 0; round < 2; round++) {
    for (let index = 10_000; index < 60_000; index++) {
      const bytes = Buffer.from(`${index}`);
      if (sharedText(bytes, 0, bytes.length) !== `${index}`) expect.fail(`${index} became another text`);
      if (sharedText(bytes, 0, 0) !== "") expect.fail(`nothing became a text after ${index}`);
    }
  }
});

import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256, shortHash } from "../../../src/net/sha256.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const utf8 = (text: string) => new TextEncoder().encode(text);

test.for([
  // FIPS 180-4 examples.
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
] as const)("the digest of %j", ([text, digest]) => {
  expect(hex(sha256(utf8(text)))).toBe(digest);
});

test("it agrees with the platform's for every length around the block size", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (message) => {
      expect(hex(sha256(message))).toBe(createHash("sha256").update(message).digest("hex"));
    }),
  );
});

test("a text of any length and of any characters is hashed as a whole", () => {
  for (const length of [1_000, 1_023, 1_024, 1_025, 3_072, 10_000]) {
    for (const character of ["a", "é", "€", "\u{1f600}", "\ud800"]) {
      const text = character.repeat(length);
      expect(shortHash(text, 43), `${length} of ${character}`).toBe(
        createHash("sha256").update(utf8(text)).digest("base64url"),
      );
    }
  }
});

test("a short hash is the beginning of the digest in base64url", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 43 }), (text, length) => {
      expect(shortHash(text, length)).toBe(createHash("sha256").update(text).digest("base64url").slice(0, length));
    }),
  );
});

import { expect, test } from "vitest";
import { fnv1a } from "../../../src/net/fnv.ts";

test.each([
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["foobar", 0xbf9cf968],
])("the hash of %j is that of the FNV authors' table", (text, hash) => {
  expect(fnv1a(text)).toBe(hash);
});

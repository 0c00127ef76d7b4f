import { expect, test } from "vitest";
import { readPassword } from "../../../src/bgp/plan/passwords.ts";

const read = (text: string) => readPassword(new TextEncoder().encode(text), "bgp-secrets/tor");

test.each(["a", "With spaces; {and} #signs 'too' \\", "x".repeat(80)])("%j is a password", (text) => {
  expect(read(text)).toEqual({ text });
});

test.each([
  ["", "it is empty"],
  ["x".repeat(81), "it has 81 characters; 80 are the most"],
  ["hush\n", "it ends with a line break, which belongs to the file that it was made from"],
  ["hush\r", "it ends with a line break, which belongs to the file that it was made from"],
  ["hu\nsh", "character 3 is none of printable ASCII without the double quote"],
  ['hu"sh', "character 3 is none of printable ASCII without the double quote"],
  ["höre", "character 2 is none of printable ASCII without the double quote"],
  ["hush\u007f", "character 5 is none of printable ASCII without the double quote"],
])("%j is none, and the reason does not quote it", (text, reason) => {
  expect(read(text)).toEqual({ missing: `Cannot use Secret bgp-secrets/tor as a password: ${reason}` });
});

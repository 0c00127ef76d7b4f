import { expect, test } from "vitest";
import { vethName } from "../../../src/cni/veth-name.ts";

test("the name is the one that upstream gives", () => {
  // Checked with: printf %s default.nginx | sha1sum
  expect(vethName("default", "nginx")).toBe("calic440f455693");
  expect(vethName("a".repeat(63), "b".repeat(253))).toMatch(/^cali[0-9a-f]{11}$/);
});

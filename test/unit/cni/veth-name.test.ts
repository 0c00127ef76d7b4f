import { expect, test } from "vitest";
import { furtherVethName, vethName } from "../../../src/cni/veth-name.ts";

test("the name is the one that upstream gives", () => {
  // Checked with: printf %s default.nginx | sha1sum
  expect(vethName("default", "nginx")).toBe("calic440f455693");
  expect(vethName("a".repeat(63), "b".repeat(253))).toMatch(/^cali[0-9a-f]{11}$/);
});

test("a further interface has a name of its own, which is no pod's", () => {
  // Checked with: printf %s default.nginx/net1 | sha1sum
  expect(furtherVethName("default", "nginx", "net1")).toMatch(/^cali[0-9a-f]{11}$/);
  expect(furtherVethName("default", "nginx", "net1")).not.toBe(furtherVethName("default", "nginx", "net2"));
  expect(furtherVethName("default", "nginx", "net1")).not.toBe(vethName("default", "nginx.net1"));
  expect(furtherVethName("default", "nginx", "net1")).not.toBe(vethName("default", "nginx"));
});

import { expect, test } from "vitest";
import type { PolicyId } from "../../../../src/felix/calc/plan.ts";
import { logPrefixOf } from "../../../../src/felix/render/log-prefix.ts";

const shop = { id: "np/shop/web-to-db" as PolicyId, tier: "platform" };
const base = { id: "gnp/base" as PolicyId, tier: "default" };

test.each([
  ["calico-packet", shop, "calico-packet: "],
  ["%t", shop, "platform: "],
  ["%k", shop, "np: "],
  ["%n", shop, "web-to-db: "],
  ["%p", shop, "shop/web-to-db: "],
  ["%t|%k", base, "default_gnp: "],
  ["%n %p", base, "base base: "],
  ["%t:%t %q %", base, "default:default _q _: "],
  ["%n", { ...shop, id: 'np/shop/%t";\n$(é' as PolicyId }, "_t______: "],
])("%j of %o begins lines with %j", (logPrefix, policy, expected) => {
  expect(logPrefixOf(policy, { logPrefix, backend: "iptables" })).toBe(expected);
});

test.each([
  ["iptables", 29],
  ["nftables", 127],
] as const)("%s has room for %i characters, of which the end is kept", (backend, length) => {
  for (const logPrefix of ["x".repeat(300), "%n%n%n%n%n%n%n%n%n%n%n%n%n%n%n%n"]) {
    const prefix = logPrefixOf(shop, { logPrefix, backend });
    expect(prefix).toHaveLength(length);
    expect(prefix).toMatch(/[a-z-]: $/);
  }
});

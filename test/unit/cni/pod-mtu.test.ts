import { expect, test } from "vitest";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { overheadOf } from "../../../src/cni/pod-mtu.ts";

const pool = (spec: object) => parseIpPool({ metadata: { name: "p" }, spec: { cidr: "10.4.0.0/16", ...spec } });
const plain = pool({});
const ipip = pool({ ipipMode: "CrossSubnet" });
const vxlan = pool({ vxlanMode: "Always" });
const vxlanV6 = pool({ cidr: "fd00:6::/64", vxlanMode: "CrossSubnet" });

test("the pool whose packets grow most counts for all", () => {
  expect(overheadOf([])).toBe(0);
  expect(overheadOf([plain])).toBe(0);
  expect(overheadOf([plain, ipip])).toBe(20);
  expect(overheadOf([vxlan, ipip])).toBe(50);
  expect(overheadOf([vxlan, vxlanV6, plain])).toBe(70);
  expect(overheadOf([pool({ ipipMode: "Always", disabled: true })])).toBe(20);
});

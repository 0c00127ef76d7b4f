import { expect, test } from "vitest";
import type { EndpointPlan, QosPlan } from "../../../../src/felix/calc/plan.ts";
import { shapings } from "../../../../src/felix/render/shaping.ts";

const nothing = { tiers: [], profile: "allow" } as const;
const endpoint = (hostInterface: string, qos?: QosPlan): EndpointPlan => ({
  ...{ hostInterface, addresses: [], state: "open", ingress: nothing, egress: nothing },
  ...(qos === undefined ? {} : { qos }),
});
const bucketOf = (limit: NonNullable<QosPlan["ingress"]>) =>
  shapings([endpoint("cali1", { ingress: limit, problems: [] })]).get("cali1")?.ingress;

test("only what is limited is shaped, in bytes", () => {
  const limit = { bandwidth: 8_000_000, burst: 800_000 };
  const found = shapings([
    endpoint("cali1"),
    endpoint("cali2", { problems: ["something"] }),
    endpoint("cali3", { egress: limit, problems: [] }),
  ]);
  expect(found).toEqual(new Map([["cali3", { egress: { rate: 1_000_000, burst: 100_000, limit: 131_072 } }]]));
});

test("a burst is what was asked for, if it lasts no longer than the kernel can say", () => {
  expect(bucketOf({ bandwidth: 8_000_000, burst: 4 * 2 ** 30 })?.burst).toBe(274_000_000);
  expect(bucketOf({ bandwidth: 10e9, burst: 4 * 2 ** 30 })?.burst).toBe(512 * 2 ** 20);
});

test("what waits is let through in an eighth of a second, within what the kernel can count", () => {
  expect(bucketOf({ bandwidth: 1_000, burst: 8_000 })).toEqual({ rate: 125, burst: 1_000, limit: 131_072 });
  expect(bucketOf({ bandwidth: 80e6, burst: 8_000 })?.limit).toBe(1_250_000);
  expect(bucketOf({ bandwidth: 1e15, burst: 34_359_738_360 })).toEqual({
    rate: 1.25e14,
    burst: 2 ** 32 - 1,
    limit: 2 ** 32 - 1,
  });
});

test("a peak rate brings its burst", () => {
  const limit = { bandwidth: 8_000_000, burst: 800_000, peakrate: 16_000_001, minburst: 3_000 };
  expect(bucketOf(limit)).toMatchObject({ peakRate: 2_000_000, minBurst: 3_000 });
});

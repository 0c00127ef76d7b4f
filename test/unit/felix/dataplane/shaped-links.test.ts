import { expect, test } from "vitest";
import { ifbName } from "../../../../src/felix/dataplane/ifb-name.ts";
import { fitToLink, isSameBucket } from "../../../../src/felix/dataplane/shaped-links.ts";

test("the device of an interface is named as upstream names it", () => {
  // `echo -n cali0ef24ba27a4 | sha512sum`
  expect(ifbName("cali0ef24ba27a4")).toBe("bwcalie748ac123");
});

test("a burst holds at least one packet of the link", () => {
  const small = { rate: 125, burst: 536, limit: 131_072 };
  expect(fitToLink(small, 1450)).toEqual({ ...small, burst: 1464 });
  expect(fitToLink({ ...small, peakRate: 250, minBurst: 0 }, 1450)).toMatchObject({ burst: 1464, minBurst: 1464 });
  const large = { rate: 1e6, burst: 100_000, limit: 131_072, peakRate: 2e6, minBurst: 9_000 };
  expect(fitToLink(large, 1450)).toEqual(large);
});

test("what the kernel rounds is the same, and what was changed is not", () => {
  const written = { rate: 1e9, burst: 100_000, limit: 131_072, peakRate: 2e9, minBurst: 9_000 };
  expect(isSameBucket({ ...written, burst: 100_120, minBurst: 8_800 }, written)).toBe(true);
  for (const change of [{ rate: 1e9 + 1 }, { burst: 101_000 }, { limit: 1 }, { peakRate: 3e9 }, { minBurst: 8_000 }]) {
    expect(isSameBucket({ ...written, ...change }, written), JSON.stringify(change)).toBe(false);
  }
  expect(isSameBucket(undefined, written)).toBe(false);
  const { peakRate: _, minBurst: __, ...plain } = written;
  expect(isSameBucket(written, plain)).toBe(false);
});

import { expect, test } from "vitest";
import { systemClock } from "../../../src/host/clock.ts";

test("sleep ends at once when aborted", async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(1_000_000, controller.signal);
  controller.abort();
  await expect(sleeping).rejects.toMatchObject({ name: "AbortError" });
});

test("sleep ends by itself, and the time is in milliseconds since 1970", async () => {
  await systemClock.sleep(1);
  expect(new Date(systemClock.now()).getFullYear()).toBeGreaterThan(2020);
});

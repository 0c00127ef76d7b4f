import { expect, test } from "vitest";
import { dataplaneTimeoutMs } from "../../../../src/felix/config/health-timeouts.ts";
import { resolveSettings } from "../../../../src/felix/config/resolve-settings.ts";
import { felixObject } from "./felix-objects.ts";

const limitOf = (environment: Record<string, string>) =>
  dataplaneTimeoutMs(resolveSettings({ environment, objects: {} }).settings);

test.each([
  ["", 20_000],
  ["bgp=1s", 20_000],
  ["dataplane=1m", 60_000],
  ["InternalDataplaneMainLoop=2m", 120_000],
  ["InternalDataplaneMainLoop=2m,dataplane=1m", 60_000],
  ["dataplane=0s", 0],
])("with healthTimeoutOverrides %j a pass may take %i ms", (overrides, ms) => {
  expect(limitOf({ FELIX_DATAPLANEWATCHDOGTIMEOUT: "20", FELIX_HEALTHTIMEOUTOVERRIDES: overrides })).toBe(ms);
});

test("a part without a time limit is told of, and the others count", () => {
  const healthTimeoutOverrides = ["AsyncCalcGraph", "dataplane"].map((name) => ({ name, timeout: "7s" }));
  const object = felixObject("default", { healthTimeoutOverrides });
  const { settings, problems } = resolveSettings({ environment: {}, objects: { default: object } });
  expect(dataplaneTimeoutMs(settings)).toBe(7000);
  expect(problems).toEqual([
    'healthTimeoutOverrides of FelixConfiguration default: "AsyncCalcGraph" has no effect here: ' +
      "only the part dataplane has a time limit.",
  ]);
});

import { expect, test } from "vitest";
import { settingsOfFlags } from "../../../src/cli/settings-of-flags.ts";

test("only flags that were given say anything", () => {
  expect(settingsOfFlags({})).toEqual({});
  expect(settingsOfFlags({ logLevel: "warn", metricsAddress: "127.0.0.1" })).toEqual({
    ...{ logSeverityScreen: "warn", prometheusMetricsHost: "127.0.0.1" },
  });
});

test("a port switches metrics on, and 0 off", () => {
  expect(settingsOfFlags({ metricsPort: 9100 })).toEqual({
    prometheusMetricsEnabled: true,
    prometheusMetricsPort: 9100,
  });
  expect(settingsOfFlags({ metricsPort: 0 })).toEqual({ prometheusMetricsEnabled: false });
});

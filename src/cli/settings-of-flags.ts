import type { FelixSettings } from "../felix/config/felix-settings.ts";

/** Flags of `margay agent` that say what FelixConfiguration could say too. */
export interface SettingFlags {
  readonly logLevel?: "debug" | "info" | "warn" | "error";
  readonly metricsAddress?: string;
  /** 0: metrics are not served. */
  readonly metricsPort?: number;
}

/** What the flags that a person gave say; they go before every other source. */
export function settingsOfFlags({ logLevel, metricsAddress, metricsPort }: SettingFlags): Partial<FelixSettings> {
  return {
    ...(logLevel === undefined ? {} : { logSeverityScreen: logLevel }),
    ...(metricsAddress === undefined ? {} : { prometheusMetricsHost: metricsAddress }),
    ...(metricsPort === undefined ? {} : { prometheusMetricsEnabled: metricsPort !== 0 }),
    ...(metricsPort ? { prometheusMetricsPort: metricsPort } : {}),
  };
}

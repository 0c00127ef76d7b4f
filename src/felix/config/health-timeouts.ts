import type { FelixSettings } from "./felix-settings.ts";

/** How long the dataplane may make no progress, in milliseconds; 0: forever. What names it goes before the watchdog's own setting. */
export function dataplaneTimeoutMs({
  healthTimeoutOverrides,
  dataplaneWatchdogTimeoutMs,
}: Pick<FelixSettings, "healthTimeoutOverrides" | "dataplaneWatchdogTimeoutMs">): number {
  const name = dataplaneNames.find((one) => healthTimeoutOverrides.has(one));
  return (name === undefined ? undefined : healthTimeoutOverrides.get(name)) ?? dataplaneWatchdogTimeoutMs;
}

/** Which of the overrides nothing goes by: parts of upstream's Felix, and parts of ours that have no time limit. */
export function idleTimeouts(overrides: FelixSettings["healthTimeoutOverrides"]): readonly string[] {
  return [...overrides.keys()]
    .filter((name) => !dataplaneNames.includes(name))
    .map((name) => `${JSON.stringify(name)} has no effect here: only the part dataplane has a time limit`);
}

// --- internal ---

/** Ours, as `/liveness` has it, and upstream's for the same. */
const dataplaneNames: readonly string[] = ["dataplane", "InternalDataplaneMainLoop"];

import type { EndpointPlan, QosPlan } from "../calc/plan.ts";
import type { Shaping, TokenBucket } from "./desired-state.ts";
import { remember } from "./remember.ts";

/** How each endpoint's interface is shaped, by its name; those that are not are left out. */
export function shapings(endpoints: Iterable<EndpointPlan>): ReadonlyMap<string, Shaping> {
  const found = new Map<string, Shaping>();
  for (const { hostInterface, qos } of endpoints) {
    if (qos?.ingress !== undefined || qos?.egress !== undefined) found.set(hostInterface, shapingOf(qos));
  }
  return found;
}

// --- internal ---

/** The kernel counts bytes in 32 bits. */
const maxBytes = 2 ** 32 - 1;
/** So long a burst may last at the full rate, in seconds: the kernel shows it in 32 bits of 64 ns. Upstream's is the same. */
const longestBurst = 274;
/** What waits for tokens is let through within this time, in seconds, or is at most two packets of the largest size. */
const longestWait = 0.125;
const shortestQueue = 2 * 65_536;

const shapingOf = remember(({ ingress, egress }: QosPlan): Shaping => {
  return {
    ...(ingress === undefined ? {} : { ingress: bucketOf(ingress) }),
    ...(egress === undefined ? {} : { egress: bucketOf(egress) }),
  };
});

function bucketOf({ bandwidth, burst, peakrate, minburst = 0 }: NonNullable<QosPlan["ingress"]>): TokenBucket {
  const rate = Math.floor(bandwidth / 8);
  return {
    rate,
    burst: Math.min(Math.floor(burst / 8), Math.floor(rate * longestBurst), maxBytes),
    limit: Math.min(Math.max(Math.floor(rate * longestWait), shortestQueue), maxBytes),
    ...(peakrate === undefined ? {} : { peakRate: Math.floor(peakrate / 8), minBurst: minburst }),
  };
}

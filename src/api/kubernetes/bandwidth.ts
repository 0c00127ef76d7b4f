import type { Labels } from "../objects.ts";
import { parseQuantity } from "./quantity.ts";

/** `ingress` is towards the pod, `egress` from it. */
export type TrafficDirection = "ingress" | "egress";

/** How fast a pod's traffic of one direction may be. */
export interface BandwidthLimit {
  /** Bits a second. */
  readonly bandwidth: number;
  /** So many bits may pass at once after a pause. */
  readonly burst: number;
  /** Bits a second that the burst itself must keep to; more than `bandwidth`. */
  readonly peakrate?: number;
  /** Bytes that may pass at once under the peak rate. */
  readonly minburst?: number;
}

/** What a pod's annotations ask for in one direction, and what of them cannot be had: one sentence each. */
export interface ParsedBandwidth {
  readonly limit: BandwidthLimit | undefined;
  readonly problems: readonly string[];
}

/**
 * Reads `qos.projectcalico.org/{ingress,egress}{Bandwidth,Burst,Peakrate,Minburst}` and
 * `kubernetes.io/{ingress,egress}-bandwidth`, of which the former overrides the latter, also when it cannot be read. As
 * upstream has it: what is out of range becomes the nearest value in it, and what cannot be read, or not without another
 * one, is left out.
 */
export function parseBandwidth(annotations: Labels, direction: TrafficDirection): ParsedBandwidth {
  const problems: string[] = [];
  const read = (name: string, range: Range) => readQuantity(annotations, { name, range, problems });
  const drop = (name: string, why: string) => {
    problems.push(`${name} is left out: ${why}`);
    return undefined;
  };
  const own = ownAnnotations(direction);
  const bandwidthName = own.bandwidth in annotations ? own.bandwidth : kubernetesAnnotation(direction);
  const bandwidth = read(bandwidthName, ranges.bandwidth);
  const burst = read(own.burst, ranges.burst);
  let peakrate = read(own.peakrate, ranges.peakrate);
  let minburst = read(own.minburst, ranges.minburst);
  if (burst !== undefined && bandwidth === undefined) drop(own.burst, `there is no ${own.bandwidth}`);
  // In bytes, since that is what the kernel compares.
  if (peakrate !== undefined && Math.floor(peakrate / 8) <= Math.floor((bandwidth ?? Number.POSITIVE_INFINITY) / 8))
    peakrate = drop(own.peakrate, "it must be more than the bandwidth");
  if (minburst !== undefined && peakrate === undefined) minburst = drop(own.minburst, `there is no ${own.peakrate}`);
  if (bandwidth === undefined) return { limit: undefined, problems };
  const limit = {
    bandwidth,
    burst: burst ?? defaultBurst,
    ...(peakrate === undefined ? {} : { peakrate }),
    ...(minburst === undefined ? {} : { minburst }),
  };
  return { limit, problems };
}

/** The older annotation, which container runtimes hand to the CNI plugin `bandwidth`. */
export function kubernetesAnnotation(direction: TrafficDirection): string {
  return `kubernetes.io/${direction}-bandwidth`;
}

/** The annotations that this project reads alone, by what they set. */
export function ownAnnotations(direction: TrafficDirection): Readonly<Record<keyof BandwidthLimit, string>> {
  const name = `qos.projectcalico.org/${direction}`;
  return {
    bandwidth: `${name}Bandwidth`,
    burst: `${name}Burst`,
    peakrate: `${name}Peakrate`,
    minburst: `${name}Minburst`,
  };
}

// --- internal ---

interface Range {
  readonly min: bigint;
  readonly max: bigint;
}

/** Upstream's. The largest burst is what the kernel can count, 2^32 - 1 bytes. */
const ranges = {
  bandwidth: { min: 1_000n, max: 10n ** 15n },
  burst: { min: 1_000n, max: 8n * (2n ** 32n - 1n) },
  peakrate: { min: 1_010n, max: 101n * 10n ** 13n },
  minburst: { min: 1_000n, max: 100_000_000n },
} as const;

const defaultBurst = 4 * 2 ** 30;

interface Asked {
  readonly name: string;
  readonly range: Range;
  readonly problems: string[];
}

function readQuantity(annotations: Labels, { name, range, problems }: Asked): number | undefined {
  const text = annotations[name];
  if (text === undefined) return undefined;
  const quantity = parseQuantity(text);
  if (quantity === undefined) {
    problems.push(`${name} is left out: ${JSON.stringify(text.slice(0, 80))} is no quantity such as 10M or 1Gi`);
    return undefined;
  }
  const nearest = nearestIn(range, quantity);
  if (nearest !== quantity) {
    problems.push(`${name} is taken as ${nearest}: ${JSON.stringify(text)} is out of ${range.min} to ${range.max}`);
  }
  return Number(nearest);
}

function nearestIn({ min, max }: Range, value: bigint): bigint {
  if (value < min) return min;
  return value > max ? max : value;
}

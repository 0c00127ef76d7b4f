/** Tries random clusters on a real node until the kernel and the specification disagree, and counts what they agreed on. */
import { performance } from "node:perf_hooks";
import fc from "fast-check";
import { versionOf } from "../../../src/net/ip.ts";
import { cluster } from "../../oracle/random-cluster.ts";
import { connectionsOf } from "../../oracle/random-packets.ts";
import { explainVerdict, type Judging, type PacketJudge, type Verdict } from "./judge-packets.ts";

/** How many packets were sent, and what became of them. */
export interface PacketTally {
  clusters: number;
  packets: number;
  allowed: number;
  denied: number;
  /** Of the allowed, those that had to be sent once more. */
  again: number;
  /** What a packet was besides new: of a known connection, of none, for a Service's address, or of a forged sender. */
  readonly of: Record<"known" | "invalid" | "exchanged" | "forged", number>;
  /** By path, family and protocol, e.g. `forwarded IPv4 6`. */
  readonly by: Map<string, number>;
}

/** Nothing yet. */
export function noPackets(): PacketTally {
  const of = { known: 0, invalid: 0, exchanged: 0, forged: 0 };
  return { clusters: 0, packets: 0, allowed: 0, denied: 0, again: 0, of, by: new Map() };
}

/** How long a run is. */
export interface PacketRuns {
  readonly clusters: number;
  /** No cluster is begun after so long, and a disagreement is made no smaller. */
  readonly limitMs: number;
  readonly seed: number;
  /** Changes what was rendered. */
  readonly spoil?: Judging["spoil"];
}

/**
 * Adds to `tally` what the clusters of the seed came to. Rejects at the first packet of which the kernel, the simulator and the
 * specification do not say the same, once its cluster has been made smaller: the message is the seed, and YAML that a person
 * can apply.
 */
export async function assertKernelAgreement(
  judge: PacketJudge,
  tally: PacketTally,
  { clusters, limitMs, seed, spoil }: PacketRuns,
): Promise<void> {
  let found: Verdict | undefined;
  const end = performance.now() + limitMs;
  const property = fc.asyncProperty(cluster, async (one) => {
    // An interrupted one would go on sending beside the next.
    if (performance.now() > end) return true;
    const verdicts = await judge.judge(one, {
      connections: connectionsOf(one, connectionsPerCluster),
      ...(spoil && { spoil }),
    });
    const wrong = verdicts.find(({ kernelAgrees, agree }) => !kernelAgrees || !agree);
    found = wrong ?? found;
    if (found === undefined) count(tally, verdicts);
    return wrong === undefined;
  });
  const { failed, errorInstance } = await fc.check(property, { numRuns: clusters, seed });
  if (found !== undefined) {
    throw new Error(
      `The kernel, the simulator and the specification do not agree (seed ${seed}):\n${explainVerdict(found)}`,
    );
  }
  if (failed) throw new Error(`Cannot judge packets (seed ${seed})`, { cause: errorInstance });
}

/** Two lines for a log. */
export function packetsText({ clusters, packets, allowed, denied, again, of, by }: PacketTally): string {
  const share = (part: number) => `${part} (${Math.round((100 * part) / packets)} %)`;
  const listed = (counts: Iterable<readonly [string, number]>) =>
    [...counts].map(([what, times]) => `${times} ${what}`).join(", ");
  const first = `clusters ${clusters}, packets ${packets}, allowed ${share(allowed)}, denied ${share(denied)}`;
  const paths = [...by].sort(([, a], [, b]) => b - a);
  return `${first}, sent again ${again}; ${listed(Object.entries(of))}\n  ${listed(paths)}`;
}

// --- internal ---

const connectionsPerCluster = 200;

function count(tally: PacketTally, verdicts: readonly Verdict[]): void {
  tally.clusters++;
  for (const { expected, again, crossing } of verdicts) {
    const { path, packet, state, addressedTo } = crossing.passage;
    tally.packets++;
    if (expected.allowed) tally.allowed++;
    else tally.denied++;
    if (again) tally.again++;
    if (crossing.forbidden !== undefined) tally.of.forged++;
    else if (state === "ESTABLISHED") tally.of.known++;
    else if (state === "INVALID") tally.of.invalid++;
    if (addressedTo !== undefined) tally.of.exchanged++;
    const what = `${path} IPv${versionOf(packet.from.ip)} ${packet.protocol}`;
    tally.by.set(what, (tally.by.get(what) ?? 0) + 1);
  }
}

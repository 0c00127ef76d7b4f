/** Tries random clusters until the two judges disagree, and counts what they agreed on. */
import fc from "fast-check";
import { yamlOf } from "./documents.ts";
import { explain } from "./explain.ts";
import { type Trial, type Trying, trialsOf } from "./judge.ts";
import { type Cluster, cluster } from "./random-cluster.ts";

/** How many packets were tried, and who decided them. */
export interface Tally {
  clusters: number;
  packets: number;
  allowed: number;
  denied: number;
  /** By stage, kind of policy and verdict, e.g. `pod: GlobalNetworkPolicy allow`. */
  readonly by: Map<string, number>;
}

/** Nothing yet. */
export function noTally(): Tally {
  return { clusters: 0, packets: 0, allowed: 0, denied: 0, by: new Map() };
}

/**
 * Adds to `tally` what `numRuns` clusters came to. Throws at the first disagreement, when its cluster has been made as small as
 * can be: the message is its seed, and YAML that a person can apply.
 */
export function assertAgreement(
  trying: Trying,
  tally: Tally,
  runs: { readonly numRuns: number; readonly seed?: number },
): void {
  let last: { readonly one: Cluster; readonly trial?: Trial } | undefined;
  const property = fc.property(cluster, (one) => {
    try {
      for (const trial of trialsOf(one, trying)) {
        if (!trial.agree) {
          last = { one, trial };
          return false;
        }
        if (last === undefined) count(tally, trial);
      }
    } catch (cause) {
      last = { one };
      throw cause;
    }
    if (last === undefined) tally.clusters++;
    return true;
  });
  const { failed, seed, errorInstance } = fc.check(property, runs);
  if (!failed || last === undefined) return;
  const what = last.trial === undefined ? yamlOf(last.one.snapshot) : explain(last.trial);
  throw new Error(`The two judges do not agree (seed ${seed}):\n${what}`, { cause: errorInstance });
}

/** One line for a log. */
export function tallyText({ clusters, packets, allowed, denied }: Tally): string {
  const share = (part: number) => `${part} (${Math.round((100 * part) / packets)} %)`;
  return `clusters ${clusters}, packets ${packets}, allowed ${share(allowed)}, denied ${share(denied)}`;
}

/** A line for each kind of decision, the most frequent first. */
export function decisionsText({ by }: Tally): string {
  return [...by]
    .sort(([, a], [, b]) => b - a)
    .map(([what, times]) => `  ${times} ${what}`)
    .join("\n");
}

// --- internal ---

function count(tally: Tally, { expected, crossing }: Trial): void {
  tally.packets++;
  if (expected.allowed) tally.allowed++;
  else tally.denied++;
  if (crossing.forbidden !== undefined) return;
  for (const { stage, verdict, why } of expected.steps) {
    const place = stage.replace(/^\S+\/\S+ (in|e)gress$/, "pod").replace(/ (in|e)gress$/, "");
    const who =
      /^(Kubernetes NetworkPolicy|ClusterNetworkPolicy|NetworkPolicy|GlobalNetworkPolicy|end of tier|profile)/.exec(
        why,
      )?.[0];
    const what = `${place}: ${who ?? why} ${verdict}`;
    tally.by.set(what, (tally.by.get(what) ?? 0) + 1);
  }
}

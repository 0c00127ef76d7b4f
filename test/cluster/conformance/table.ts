import type { Expectation } from "./expectation.ts";
import { allFlows, askers, type Flow, formatFlow } from "./flows.ts";
import type { ProbeAnswer } from "./prober.ts";
import type { Stage } from "./stage.ts";

/** A cell that is not as it should be. */
export interface Difference {
  readonly flow: Flow;
  readonly answer: ProbeAnswer;
}

/** How much was done so far. */
export const asked = { cases: 0, tables: 0, probes: 0, again: 0 };

/** Begins to count. What it answers tells in words how much was done since. */
export function countAsked(): () => string {
  const [before, startedAt] = [{ ...asked }, performance.now()];
  return () => {
    const since = (what: keyof typeof asked) => asked[what] - before[what];
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const probes = `${since("probes")} probes (${since("again")} late answers)`;
    return `${since("cases")} cases, ${since("tables")} tables, ${probes}, ${seconds} s`;
  };
}

const silenceMs = 250;

/** Asks every cell of the truth table at once and gives those that are not as expected. */
export function differencesOf(stage: Stage, expected: Expectation): Promise<readonly Difference[]> {
  asked.tables++;
  return askFlows(stage, allFlows, { expected, timeoutMs: silenceMs });
}

/** As `differencesOf`, for the cells alone that should not be as they were. */
export function unchangedOf(stage: Stage, was: Expectation, expected: Expectation): Promise<readonly Difference[]> {
  const changing = allFlows.filter((flow) => was(flow) !== expected(flow));
  return askFlows(stage, changing, { expected, timeoutMs: silenceMs });
}

/**
 * Asks again, with patience, the cells that stayed silent and should not: a busy machine may have answered late. What got
 * through and should not stays a difference.
 */
export async function withoutLateAnswers(
  stage: Stage,
  differences: readonly Difference[],
  expected: Expectation,
): Promise<readonly Difference[]> {
  const late = differences.filter(({ answer }) => answer !== "+");
  asked.again += late.length;
  const flows = late.map(({ flow }) => flow);
  const still = flows.length === 0 ? [] : await askFlows(stage, flows, { expected, timeoutMs: 2_500 });
  return [...differences.filter(({ answer }) => answer === "+"), ...still];
}

/** At most twenty of them as a person reads them, a line each. */
export function formatDifferences(differences: readonly Difference[]): string {
  const words: Readonly<Record<ProbeAnswer, string>> = { "+": "gets through", "-": "is dropped", x: "is refused" };
  const lines = differences.slice(0, 20).map(({ flow, answer }) => `  ${formatFlow(flow)} ${words[answer]}`);
  if (differences.length > 20) lines.push(`  and ${differences.length - 20} more`);
  return lines.join("\n");
}

// --- internal ---

const letters = { TCP: "t", UDP: "u", SCTP: "s", ICMP: "i" } as const;

async function askFlows(
  stage: Stage,
  flows: readonly Flow[],
  { expected, timeoutMs }: { readonly expected: Expectation; readonly timeoutMs: number },
): Promise<readonly Difference[]> {
  asked.probes += flows.length;
  const tables = await Promise.all(
    askers.map(async (from) => {
      const own = flows.filter((flow) => flow.from === from);
      const targets = own.map(
        ({ to, protocol, port, via }) => `${letters[protocol]}${stage.addressOf(to, via)}:${port}`,
      );
      const answers = own.length === 0 ? [] : await proberOf(stage, from).ask(targets, timeoutMs);
      return own.map((flow, index) => ({ flow, answer: answers[index] ?? "-" }));
    }),
  );
  return tables.flat().filter(({ flow, answer }) => (answer === "+") !== expected(flow));
}

function proberOf(stage: Stage, asker: string) {
  const prober = stage.probers.get(asker);
  if (prober === undefined) throw new Error(`Cannot ask from ${asker}: nobody stands there`);
  return prober;
}

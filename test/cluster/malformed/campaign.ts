/** Asks the API server and a node about many broken objects, and says what came of them. */
import type { KubeClient } from "../../../src/kube/client.ts";
import { compareText } from "../../../src/net/compare-text.ts";
import { type Answer, askAll } from "./api-answers.ts";
import { type BrokenObject, brokenObjects } from "./draw.ts";
import { pathText } from "./json-path.ts";
import { judge } from "./judgement.ts";
import { read } from "./node-under-test.ts";
import { onlyOurs } from "./only-ours.ts";
import { type Printed, print, strangeLines } from "./printed-lines.ts";
import { type BrokenKind, samples } from "./samples.ts";
import { specSchema } from "./schema.ts";
import { type World, worldOf } from "./worlds.ts";

/** What came of all. */
export interface Campaign {
  /** One sentence for each object of which something is not as it must be. */
  readonly failures: readonly string[];
  /** How many objects went which way. */
  readonly counts: ReadonlyMap<string, number>;
  /** Of some hostile ones, what would be given to the kernel's programs. */
  readonly printed: readonly Printed[];
  /** Figures for a log. */
  readonly report: string;
}

/** Of each kind and each sort of mutation `each` objects, if there are as many. */
export async function runCampaign(
  client: KubeClient,
  { seed, each }: { readonly seed: number; readonly each: number },
): Promise<Campaign> {
  const tally = new Tally();
  const printed: Printed[] = [];
  const failures: string[] = [];
  for (const kind of Object.keys(samples) as BrokenKind[]) {
    const objects = brokenObjects(kind, await specSchema(client, samples[kind]), { seed, each });
    const answers = await askAll(client, objects);
    const world = worldOf(kind);
    for (const [index, object] of objects.entries()) {
      const answer = answers[index] as Answer;
      try {
        const outcome = tryOne(object, answer, world);
        failures.push(...outcome.wrong.map((what) => `${titleOf(object)}: ${what}`));
        tally.add(object, outcome);
        if (object.mutation.sort.startsWith("hostile") && printed.length < 40) printed.push(outcome.printed);
      } catch (error) {
        failures.push(`${titleOf(object)}: ${(error as Error).stack}`);
      }
    }
  }
  return { failures, counts: tally.counts, printed, report: `seed ${seed}\n${tally.text()}` };
}

// --- internal ---

interface Outcome {
  readonly wrong: readonly string[];
  readonly ways: readonly string[];
  readonly isBroken: boolean;
  readonly by: string;
  readonly printed: Printed;
}

function tryOne(object: BrokenObject, answer: Answer, world: World): Outcome {
  const reading = read(object.kind, object.object);
  const isRefused = "refusal" in answer;
  const { passing, state } = world.node.with(reading.change);
  const isRight = !isRefused && reading.rejected === undefined;
  const judgement = judge({ broken: object, reading, isRight, passing }, world);
  const printed = print(state);
  const stored = isRefused ? undefined : read(object.kind, answer.stored).rejected;
  return {
    printed,
    by: judgement.by,
    isBroken: isRefused || reading.rejected !== undefined,
    wrong: [
      ...some(judgement.by, judgement.wrong),
      ...some("printed", strangeLines(printed)),
      ...(stored === undefined || onlyOurs(stored) ? [] : [`the API server takes it, and we do not: ${stored}`]),
    ],
    ways: [
      ...(isRefused ? ["refused by the API server"] : []),
      ...(reading.rejected === undefined ? [] : ["refused by our parser"]),
      ...(isRefused && reading.rejected === undefined ? ["refused by the API server alone"] : []),
      ...(stored === undefined ? [] : ["refused by our parser alone, as the API server cannot tell"]),
      ...(!isRefused && reading.rejected !== undefined && stored === undefined ? ["mended by the API server"] : []),
    ],
  };
}

function some(what: string, wrong: readonly string[]): readonly string[] {
  return wrong.length === 0 ? [] : [`${what}: ${wrong.slice(0, 3).join("; ")} (${wrong.length} in all)`];
}

function titleOf({ kind, mutation: { sort, path, value } }: BrokenObject): string {
  const text = typeof value === "symbol" ? "nothing" : (JSON.stringify(value) ?? "undefined");
  return `${kind}, ${sort} at ${pathText(path)}: ${text.slice(0, 80)}`;
}

/** Counts that are printed. */
class Tally {
  readonly counts = new Map<string, number>();
  readonly #judged = new Map<string, number>();
  readonly #byKind = new Map<string, number>();
  readonly #bySort = new Map<string, number>();

  add({ kind, mutation }: BrokenObject, { ways, isBroken, by }: Outcome): void {
    const state = isBroken ? "broken" : "harmless";
    for (const way of ["drawn", state, ...ways]) count(this.counts, way);
    count(this.#judged, by);
    count(this.#byKind, `${kind}, ${state}`);
    count(this.#bySort, `${mutation.sort}, ${state}`);
  }

  text(): string {
    const parts = { what: this.counts, judged: this.#judged, kind: this.#byKind, mutation: this.#bySort };
    return Object.entries(parts)
      .map(([part, counts]) => {
        const lines = [...counts]
          .sort(([a], [b]) => compareText(a, b))
          .map(([what, number]) => `\n  ${number} ${what}`);
        return `by ${part}:${lines.join("")}`;
      })
      .join("\n");
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

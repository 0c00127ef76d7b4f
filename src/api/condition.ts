import { z } from "zod";
import { timeField } from "./fields.ts";

/** metav1.Condition. */
const condition = z.object({
  type: z.string().max(316).describe("What the condition is about, for example Allocatable."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: z.string().max(1024).describe("Why, as one word for programs."),
  message: z.string().max(32768).describe("Why, as a sentence for people."),
  lastTransitionTime: timeField().describe("When the status last changed."),
  observedGeneration: z.int().min(0).optional().describe("The metadata.generation that this was decided from."),
});

/** A list of conditions in which each type stands once. */
export const conditions = z
  .array(condition)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] });

/** Something that a controller says of an object in its status. */
export type Condition = Readonly<z.output<typeof condition>>;

/** A condition but for the time, which follows from what stood there before. */
export type Finding = Omit<Condition, "lastTransitionTime" | "observedGeneration">;

/** The conditions in an object as the API server sends it; what cannot be read counts as none. */
export function conditionsOf(json: unknown): readonly Condition[] {
  return objectWithConditions.safeParse(json).data?.status?.conditions ?? [];
}

/** Each finding with its time: that of the condition `standing` so far when the status is the same, else `now` (RFC 3339). */
export function timedConditions(
  findings: readonly Finding[],
  standing: readonly Condition[],
  { now, generation }: { readonly now: string; readonly generation: number | undefined },
): readonly Condition[] {
  return findings.map((finding) => {
    const before = standing.find(({ type }) => type === finding.type);
    const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now;
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    return { ...finding, lastTransitionTime, ...observed };
  });
}

/** Whether `standing` says all of `wanted`, and of the `types` nothing else. */
export function conditionsStand(
  wanted: readonly Condition[],
  standing: readonly Condition[],
  types: readonly string[],
): boolean {
  const known = standing.filter(({ type }) => types.includes(type));
  return known.length === wanted.length && wanted.every((one) => known.some((other) => isSame(one, other)));
}

// --- internal ---

const objectWithConditions = z.object({ status: z.object({ conditions }).nullish() });

function isSame(a: Condition, b: Condition): boolean {
  return (
    a.type === b.type &&
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}

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

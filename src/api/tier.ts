import { z } from "zod";
import { builtInTiers } from "./built-in-tiers.ts";
import { conditions } from "./condition.ts";
import type { CustomKind, Rule } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import { tierName } from "./policy-names.ts";
import type { Resource } from "./resource.ts";

const spec = z.object({
  order: z
    .number()
    .optional()
    .describe("Its place among the tiers: lower is earlier. When it is left out, it comes after all that have one."),
  defaultAction: z
    .enum(["Deny", "Pass"])
    .default("Deny")
    .describe(
      "What becomes of a packet that a policy of the tier applies to and no rule decided on: Deny drops it, Pass goes on " +
        "with the next tier.",
    ),
});

/** A checked Tier. */
export type Tier = Resource<{
  /** Undefined: after all that have one. */
  readonly order?: number | undefined;
  readonly defaultAction: "Deny" | "Pass";
}>;

/** What the Tier kind is: its schema, names and rules. */
export const tier: CustomKind<typeof spec> = {
  kind: "Tier",
  plural: "tiers",
  singular: "tier",
  shortNames: [],
  aliases: [],
  objectRules: [tierName, ...[...builtInTiers].map(([name, fixed]) => keeps(name, fixed))],
  description: "A group of policies that decides as one, before or after the others.",
  spec,
  status: z.object({
    conditions: conditions.describe("Ready: whether the tier is in use as it stands, and if not, why."),
  }),
  columns: [
    { name: "Order", path: ".spec.order", type: "number", description: "Its place among the tiers" },
    { name: "DefaultAction", path: ".spec.defaultAction", type: "string", description: "What ends the tier" },
    {
      name: "Status",
      path: ".status.conditions[?(@.type=='Ready')].reason",
      type: "string",
      description: "Whether it is in use",
    },
  ],
  example: { order: 100, defaultAction: "Pass" },
};

/** Throws InvalidObjectError. */
export function parseTier(json: unknown): Tier {
  return parseObject(tier, json);
}

// --- internal ---

function keeps(name: string, { order, defaultAction }: Tier["spec"]): Rule<Tier> {
  return {
    cel:
      `self.metadata.name != '${name}' || ` +
      `has(self.spec.order) && self.spec.order == ${order}.0 && self.spec.defaultAction == '${defaultAction}'`,
    message: `the tier ${name} has order ${order} and defaultAction ${defaultAction}, which cannot be changed`,
    field: "spec",
    holds: ({ metadata, spec }) =>
      metadata.name !== name || (spec.order === order && spec.defaultAction === defaultAction),
  };
}

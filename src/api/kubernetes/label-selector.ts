import { z } from "zod";
import { compactList } from "../compact-list.ts";
import type { LabelSelector } from "../objects.ts";
import { labelPattern } from "../selector/lexer.ts";

// The API server holds labels to narrower rules, but stored objects may be older than a rule. Here a label and a value
// must be what our selector language can write, so that no text can say more than its object did.

const label = z.string().regex(labelPattern, { error: "it is no label" });

const value = z.string().regex(/^[^"]*$/, { error: 'it must not contain a "' });

/** The one name that zod leaves out of a map without a word: a selector that lost a label would select more. */
const lostName = "__proto__";

const labels = z
  .unknown()
  .superRefine((json, context) => {
    if (typeof json !== "object" || json === null || !Object.hasOwn(json, lostName)) return;
    context.addIssue({ code: "custom", message: "it is no label", path: [lostName] });
  })
  .pipe(z.record(label, value).nullish());

const requirement = z
  .strictObject({
    key: label.describe("The label."),
    operator: z
      .enum(["In", "NotIn", "Exists", "DoesNotExist"])
      .describe("How the label's value is compared with the values."),
    values: z
      .array(value)
      .nullish()
      .transform((values) => values ?? [])
      .describe("What In and NotIn look for; the others take none."),
  })
  .check(({ value, issues }) => {
    const listed = value.operator === "In" || value.operator === "NotIn";
    if (listed === value.values.length > 0) return;
    const message = listed
      ? `operator ${value.operator} needs at least one value`
      : `operator ${value.operator} takes no values`;
    issues.push({ code: "custom", input: value, path: ["values"], message });
  });

const maxRequirements = 1000;
const maxValues = 10_000;

function excesses(
  matchLabels: Readonly<Record<string, string>>,
  matchExpressions: readonly z.output<typeof requirement>[],
): readonly string[] {
  const requirements = Object.keys(matchLabels).length + matchExpressions.length;
  const values = matchExpressions.reduce((sum, one) => sum + one.values.length, 0);
  return [
    ...(requirements > maxRequirements ? [`it has ${requirements} requirements, and may have ${maxRequirements}`] : []),
    ...(values > maxValues ? [`it has ${values} values, and may have ${maxValues}`] : []),
  ];
}

/** The form in which the API server checks it, as upstream's kinds have it: it leaves labels and operators to us. */
const openApi = {
  type: "object",
  "x-kubernetes-map-type": "atomic",
  properties: {
    matchLabels: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "Labels that must be there with these values.",
    },
    matchExpressions: {
      type: "array",
      "x-kubernetes-list-type": "atomic",
      description: "Requirements that must all hold.",
      items: {
        type: "object",
        required: ["key", "operator"],
        properties: {
          key: { type: "string", description: "The name of the label." },
          operator: { type: "string", description: "In, NotIn, Exists or DoesNotExist." },
          values: {
            type: "array",
            "x-kubernetes-list-type": "atomic",
            items: { type: "string" },
            description: "Values for In and NotIn, one at least; none for the other operators.",
          },
        },
      },
    },
  },
};

/**
 * metav1.LabelSelector. A field that is not known makes it unreadable: to leave it out would select more than was meant.
 * So do more than 1000 requirements, or 10,000 values: each is work for every pod that there is.
 */
export const labelSelectorSchema = z
  .strictObject({
    matchLabels: labels.optional().describe("Labels and the values that they must have."),
    matchExpressions: z.array(requirement).nullish().describe("Requirements, all of which must hold."),
  })
  .check(({ value, issues }) => {
    for (const message of excesses(value.matchLabels ?? {}, value.matchExpressions ?? [])) {
      issues.push({ code: "custom", input: value, message });
    }
  })
  .transform(
    ({ matchLabels, matchExpressions }): LabelSelector => ({
      matchLabels: matchLabels ?? {},
      matchExpressions: compactList(matchExpressions ?? []),
    }),
  )
  .meta({ openapi: openApi });

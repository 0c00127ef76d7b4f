import { z } from "zod";
import type { LabelSelector } from "../objects.ts";
import { labelPattern } from "../selector/lexer.ts";

// The API server holds labels to narrower rules, but stored objects may be older than a rule. Here a label and a value
// must be what our selector language can write, so that no text can say more than its object did.

const label = z.string().regex(labelPattern, { error: "it is no label" });

const value = z.string().regex(/^[^"]*$/, { error: 'it must not contain a "' });

const requirement = z
  .strictObject({
    key: label,
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
    values: z
      .array(value)
      .nullish()
      .transform((values) => values ?? []),
  })
  .check(({ value, issues }) => {
    const listed = value.operator === "In" || value.operator === "NotIn";
    if (listed === value.values.length > 0) return;
    const message = listed
      ? `operator ${value.operator} needs at least one value`
      : `operator ${value.operator} takes no values`;
    issues.push({ code: "custom", input: value, path: ["values"], message });
  });

/** metav1.LabelSelector. A field that is not known makes it unreadable: to leave it out would select more than was meant. */
export const labelSelectorSchema = z
  .strictObject({
    matchLabels: z.record(label, value).nullish(),
    matchExpressions: z.array(requirement).nullish(),
  })
  .transform(
    ({ matchLabels, matchExpressions }): LabelSelector => ({
      matchLabels: matchLabels ?? {},
      matchExpressions: matchExpressions ?? [],
    }),
  );

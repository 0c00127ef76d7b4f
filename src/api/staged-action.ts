import { z } from "zod";
import type { Rule } from "./custom-kind.ts";
import type { StagedAction } from "./policy-rule.ts";

/** What is to become of the enforced policy of the same name. */
export function stagedActionField() {
  return z
    .enum(["Set", "Delete", "Learn", "Ignore"])
    .default("Set")
    .describe(
      "Set: the policy is counted where it stands, and decides nothing. Delete: it stands for the removal of the " +
        "enforced policy of its name, and has no other fields. Learn and Ignore: it is left out.",
    );
}

/**
 * A rule that a policy staged for deletion has no other field but its tier. `lists` and texts count as absent when they are
 * empty, `flags` when they are false.
 */
export function deleteStandsAlone<Spec extends { readonly stagedAction: StagedAction }>(fields: {
  readonly lists: readonly (string & keyof Spec)[];
  readonly flags: readonly (string & keyof Spec)[];
  readonly others: readonly (string & keyof Spec)[];
}): Rule<Spec> {
  const absent = [
    ...fields.lists.map((field) => `(!has(self.${field}) || size(self.${field}) == 0)`),
    ...fields.flags.map((field) => `(!has(self.${field}) || !self.${field})`),
    ...fields.others.map((field) => `!has(self.${field})`),
  ];
  return {
    cel: `self.stagedAction != 'Delete' || ${absent.join(" && ")}`,
    message: "a policy staged for deletion has no other fields but its tier",
    field: "stagedAction",
    holds: (spec) =>
      spec.stagedAction !== "Delete" ||
      [...fields.lists, ...fields.flags, ...fields.others].every((field) => isNothing(spec[field])),
  };
}

// --- internal ---

function isNothing(value: unknown): boolean {
  if (typeof value === "string" || Array.isArray(value)) return value.length === 0;
  return value === undefined || value === false;
}

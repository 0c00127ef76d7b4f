import type { z } from "zod";
import { InvalidObjectError } from "./invalid-object-error.ts";
import { parseWith } from "./parse-with.ts";

/** A field of a spec that cannot be used, or is not known. */
export interface FieldFault {
  readonly field: string;
  /** A sentence without a full stop. */
  readonly reason: string;
}

/** The checks of a spec's fields, by their names. */
type Fields = Readonly<Record<string, z.ZodType>>;

/** The fields of an object's spec that are not among `fields`. */
export function unknownFields(fields: Fields, json: unknown): readonly FieldFault[] {
  const names = Object.keys(specOf(json)).filter((field) => !Object.hasOwn(fields, field));
  return names.map((field) => ({ field, reason: "no setting has this name" }));
}

/**
 * Every field of an object's spec that can be read by itself, as its check gives it, and the others as faults. `refusal` may give
 * the reason why a field cannot stand in this object, whatever it is.
 */
export function readableFields(
  fields: Fields,
  json: unknown,
  refusal: (field: string) => string | undefined,
): { readonly spec: Readonly<Record<string, unknown>>; readonly faults: readonly FieldFault[] } {
  const faults = [...unknownFields(fields, json)];
  const spec: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(specOf(json))) {
    const check = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (check === undefined) continue;
    const read = readOf(check, value);
    const reason = refusal(field) ?? read.reason;
    if (reason === undefined) spec[field] = read.value;
    else faults.push({ field, reason });
  }
  return { spec, faults };
}

// --- internal ---

function readOf(check: z.ZodType, value: unknown): { readonly value?: unknown; readonly reason?: string } {
  try {
    return { value: parseWith("field", check, value) };
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    const reasons = error.problems.map(({ path, given, reason }) => `${path || "it"} is ${given}: ${reason}`);
    return { reason: reasons.join("; ") };
  }
}

function specOf(json: unknown): object {
  const spec = typeof json === "object" && json !== null && "spec" in json ? json.spec : undefined;
  return typeof spec === "object" && spec !== null && !Array.isArray(spec) ? spec : {};
}

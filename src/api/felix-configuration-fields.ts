/** What the fields of FelixConfiguration are made of. All are optional, and none has a default: what is absent is not set. */
import { z } from "zod";
import { durationField } from "./fields.ts";

/** True or false. */
export function flag(what: string) {
  return z.boolean().optional().describe(what);
}

/** A whole number; with bounds where upstream checks them. */
export function count(what: string, bounds: { readonly min?: number; readonly max?: number } = {}) {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = bounds;
  return z.int().min(min).max(max).optional().describe(what);
}

/** Any text. */
export function text(what: string, { pattern }: { readonly pattern?: RegExp } = {}) {
  return (pattern === undefined ? z.string() : z.string().regex(pattern)).optional().describe(what);
}

/** One of `values`, exactly. */
export function oneOf<const T extends string>(values: readonly T[], what: string) {
  return z.enum(values).optional().describe(what);
}

/** One of `values` in any case; empty: as if it were absent. */
export function anyCase(values: readonly string[], what: string) {
  const alternatives = `(${values.join("|")})?$`;
  return z
    .string()
    .regex(new RegExp(`^${alternatives}`, "i"), { error: `it must be one of ${values.join(", ")}` })
    .meta({ openapi: { type: "string", pattern: `^(?i)${alternatives}` } })
    .optional()
    .describe(what);
}

/** Such as 90s, 1m30s or 0s; empty: as if it were absent. */
export function period(what: string) {
  return z
    .string()
    .regex(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))*$/, { error: "it must be a duration such as 90s or 1m30s" })
    .optional()
    .describe(what);
}

/** As `period`, in any writing of Go's. */
export function anyPeriod(what: string) {
  return durationField().optional().describe(what);
}

/** 32 bits. */
export function bits(what: string) {
  return z
    .int()
    .min(0)
    .max(0xffffffff)
    .meta({ openapi: { type: "integer", format: "int64", minimum: 0, maximum: 0xffffffff } })
    .optional()
    .describe(what);
}

/** A number, or text. */
export function numberOrText() {
  return z
    .union([z.int(), z.string()], { error: "it must be a whole number or text" })
    .meta({ openapi: { "x-kubernetes-int-or-string": true } });
}

/** A list of texts. */
export function texts(what: string) {
  return z.array(z.string()).optional().describe(what);
}

/** `what`, of something that is accepted so that objects of a cluster with Calico can stay as they are. */
export function unused(what: string, why: string): string {
  return `${what} Accepted, without effect here: ${why}.`;
}

/** The `why` that `unused` has put into a description; undefined when it has not. */
export function whyUnused(description: string | undefined): string | undefined {
  return / Accepted, without effect here: (.*)\.$/.exec(description ?? "")?.[1];
}

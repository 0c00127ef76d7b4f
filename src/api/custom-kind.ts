import type { z } from "zod";

/** One kind of `projectcalico.org/v3`: everything from which its CRD, its reference page and its checks are made. */
export interface CustomKind<Spec extends z.ZodType = z.ZodType> {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  /** Short names that the API server offers to every client. */
  readonly shortNames: readonly string[];
  /** Further names that our own CLI takes, as calicoctl does; they would clash or surprise in kubectl. */
  readonly aliases: readonly string[];
  /** One or two sentences for `kubectl explain` and the reference page. */
  readonly description: string;
  readonly spec: Spec;
  /** Makes `status` a subresource when given. */
  readonly status?: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** A spec for the reference page. */
  readonly example: z.input<Spec>;
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly path: `.${string}`;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly description: string;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
}

/** One thing that must hold, said twice: for the API server in CEL, and for our own parser. */
export interface Rule<Value> {
  /** A CEL expression over `self` and, for what may not change, `oldSelf`. */
  readonly cel: string;
  /** A sentence without a full stop. */
  readonly message: string;
  /** The field below the value that is to blame; empty for the value itself. */
  readonly field: string;
  /** Absent when the rule is about a change, which one object alone cannot break. */
  readonly holds?: (value: Value) => boolean;
}

/** `schema` with `rules` checked after the shape, and carried along for the CRD. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  const checked = schema.check(({ value, issues }) => {
    for (const { field, holds, message } of rules) {
      if (holds === undefined || holds(value)) continue;
      issues.push({ code: "custom", input: value, path: field === "" ? [] : field.split("."), message });
    }
  });
  return checked.meta({ ...schema.meta(), "x-kubernetes-validations": rules.map(celOf) }) as S;
}

/** A rule that `field`, which must be a required one, keeps the value it was made with. */
export function immutable(field: string): Rule<unknown> {
  return {
    cel: `self.${field} == oldSelf.${field}`,
    message: `${field} cannot be changed; delete the object and make a new one`,
    field,
  };
}

// --- internal ---

function celOf(rule: Rule<never>): Readonly<Record<string, string>> {
  const fieldPath = rule.field === "" ? {} : { fieldPath: `.${rule.field}` };
  return { rule: rule.cel, message: rule.message, ...fieldPath };
}

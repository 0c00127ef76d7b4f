import type { z } from "zod";
import type { DeepReadonly, Resource } from "./resource.ts";

/** One kind that we bring to the API server: everything from which its CRD, its reference page and its checks are made. */
export interface CustomKind<Spec extends z.ZodType = z.ZodType> {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  /** Short names that the API server offers to every client. */
  readonly shortNames: readonly string[];
  /** Further names that our own CLI takes, as calicoctl does; they would clash or surprise in kubectl. */
  readonly aliases: readonly string[];
  /** The API of somebody else's that it belongs to; when it is absent, `projectcalico.org/v3`. */
  readonly foreign?: ForeignApi;
  /** Its objects stand in namespaces; when it is absent, in none. */
  readonly namespaced?: true;
  /** Fields that a list or a watch may be narrowed by, at the API server (`selectableFields`). */
  readonly selectableFields?: readonly `.${string}`[];
  /** What must hold of an object beyond its spec: of its name, its labels, or of these and the spec together. */
  readonly objectRules?: readonly Rule<Resource<DeepReadonly<z.output<Spec>>>>[];
  /** One or two sentences for `kubectl explain` and the reference page. */
  readonly description: string;
  readonly spec: Spec;
  /** Makes `status` a subresource when given. */
  readonly status?: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** A spec for the reference page. */
  readonly example: z.input<Spec>;
}

/** An API that others specify. */
interface ForeignApi {
  readonly group: string;
  readonly version: string;
  /** Where it was agreed on: without this the API server takes no CRD into a group of Kubernetes' own. */
  readonly approvedBy: string;
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly path: `.${string}`;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly description: string;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
}

/** One thing that must hold, said twice: for the API server in CEL, and for our own parser. */
export interface Rule<Value> {
  /**
   * A CEL expression over `self` and, for what may not change, `oldSelf`. Absent where the API server cannot tell, or
   * where it would cost more than it allows: of an object's metadata it shows nothing but the name.
   */
  readonly cel?: string;
  /** A sentence without a full stop. */
  readonly message: string;
  /** The field below the value that is to blame; empty for the value itself. */
  readonly field: string;
  /** Absent when the rule is about a change, which one object alone cannot break. */
  holds?(value: Value): boolean;
}

/** `schema` with `rules` checked once the shape is right, and carried along for the CRD. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  const checked = schema.check(({ value, issues }) => {
    // Of a value whose shape is wrong a rule would know nothing.
    if (issues.length > 0) return;
    for (const rule of rules) {
      if (rule.holds?.(value) !== false) continue;
      const { field, message } = rule;
      issues.push({ code: "custom", input: value, path: field === "" ? [] : field.split("."), message });
    }
  });
  return checked.meta({ ...schema.meta(), ...validations(rules) }) as S;
}

/** `x-kubernetes-validations` with the rules that are said in CEL; nothing when there is none. */
export function validations(rules: readonly Rule<never>[]): Readonly<Record<string, unknown>> {
  const said = rules.flatMap(({ cel, message, field }) => {
    // The API server knows no field of metadata that a rule could blame.
    const blamed = field === "" || field.startsWith("metadata.") ? {} : { fieldPath: `.${field}` };
    return cel === undefined ? [] : [{ rule: cel, message, ...blamed }];
  });
  return said.length === 0 ? {} : { "x-kubernetes-validations": said };
}

/** A rule that `field`, which must be a required one, keeps the value it was made with. */
export function immutable(field: string): Rule<unknown> {
  return {
    cel: `self.${field} == oldSelf.${field}`,
    message: `${field} cannot be changed; delete the object and make a new one`,
    field,
  };
}

/** What the specs of `projectcalico.org/v3` policies have in common. */
import { z } from "zod";
import type { PrinterColumn, Rule } from "./custom-kind.ts";
import { selectorField } from "./fields.ts";
import { policyRuleField } from "./policy-rule-field.ts";

const typesField = z
  .array(z.enum(["Ingress", "Egress"]))
  .max(2)
  .refine((types) => new Set(types).size === types.length, { error: "none can stand in it twice" })
  .optional()
  .meta({ "x-kubernetes-list-type": "set" })
  .describe(
    "In which directions the policy decides. Empty: those that it has rules for, and Ingress when it has none.",
  );

/** The fields of every policy; rules in a policy of no namespace (`global`) may say less of Services. */
export function policyFields(global: boolean) {
  const rules = (direction: "ingress" | "egress") =>
    z
      .array(policyRuleField({ direction, global }))
      .max(1024)
      .optional()
      .transform((list) => list ?? [])
      .meta({ "x-kubernetes-list-type": "atomic" });
  return {
    tier: z
      .string()
      .max(63)
      .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/, { error: "it must be the name of a tier" })
      .default("default")
      // As upstream: an empty text is none given.
      .transform((name) => name || "default")
      .describe("The tier that the policy stands in."),
    order: z
      .number()
      .optional()
      .describe("Its place in the tier: lower is earlier. When it is left out, it comes after all that have one."),
    selector: selectorOrNone().describe("What the policy applies to, by labels. Empty: everything."),
    serviceAccountSelector: selectorOrNone().describe(
      "Only pods whose service account has such labels. Empty: whatever the service account.",
    ),
    types: typesField,
    ingress: rules("ingress").describe("The rules for what comes in, in order."),
    egress: rules("egress").describe("The rules for what goes out, in order."),
    performanceHints: z
      .array(z.enum(["AssumeNeededOnEveryNode"]))
      .optional()
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("Taken as upstream has it, and without effect."),
  };
}

/** The fields that a policy of no namespace has besides. */
export function globalPolicyFields() {
  return {
    ...policyFields(true),
    namespaceSelector: selectorOrNone().describe(
      "Only pods whose namespace has such labels. Empty: whatever the namespace, and also what is in none.",
    ),
    doNotTrack: flag().describe(
      "The policy decides before connections are tracked, for host endpoints, and what it allows is not tracked.",
    ),
    preDNAT: flag().describe(
      "The policy decides before destinations are rewritten, for what comes in by host endpoints.",
    ),
    applyOnForward: flag().describe("The policy also decides on what host endpoints forward."),
  };
}

type Fields = z.output<z.ZodObject<ReturnType<typeof policyFields>>>;
type GlobalFields = z.output<z.ZodObject<ReturnType<typeof globalPolicyFields>>>;

const selectorOfPolicy = "only the namespaceSelector of a rule can say global()";

/** What must hold across the fields of every policy. */
export const policyRules: readonly Rule<Fields>[] = (["selector", "serviceAccountSelector"] as const).map((field) => ({
  cel: `!has(self.${field}) || !self.${field}.contains('global(')`,
  message: selectorOfPolicy,
  field,
  holds: (spec: Fields) => !spec[field].includes("global("),
}));

const celIs = (field: string) => `(has(self.${field}) && self.${field})`;

/** What must hold across the fields of a policy of no namespace. */
export const globalPolicyRules: readonly Rule<GlobalFields>[] = [
  ...policyRules,
  {
    cel: "!has(self.namespaceSelector) || !self.namespaceSelector.contains('global(')",
    message: selectorOfPolicy,
    field: "namespaceSelector",
    holds: ({ namespaceSelector }) => !namespaceSelector.includes("global("),
  },
  {
    cel: `!${celIs("preDNAT")} || !${celIs("doNotTrack")}`,
    message: "preDNAT and doNotTrack cannot both be true",
    field: "preDNAT",
    holds: ({ preDNAT, doNotTrack }) => !preDNAT || !doNotTrack,
  },
  {
    cel: `!(${celIs("preDNAT")} || ${celIs("doNotTrack")}) || ${celIs("applyOnForward")}`,
    message: "applyOnForward must be true when preDNAT or doNotTrack is",
    field: "applyOnForward",
    holds: ({ preDNAT, doNotTrack, applyOnForward }) => applyOnForward || !(preDNAT || doNotTrack),
  },
  {
    cel: `!${celIs("preDNAT")} || (!has(self.egress) || size(self.egress) == 0) && (!has(self.types) || !('Egress' in self.types))`,
    message: "a preDNAT policy decides on what comes in only; leave egress and the type Egress out",
    field: "preDNAT",
    holds: ({ preDNAT, egress, types }) => !preDNAT || (egress.length === 0 && types?.includes("Egress") !== true),
  },
];

/** The policy as the code knows it: its directions filled in, hints left out. */
export function policySpecOf<Spec extends Fields>({ performanceHints: _, ...spec }: Spec) {
  return { ...spec, types: spec.types === undefined || spec.types.length === 0 ? typesOf(spec) : spec.types };
}

/** The tier and the order. */
export const policyColumns: readonly PrinterColumn[] = [
  { name: "Tier", path: ".spec.tier", type: "string", description: "The tier it stands in" },
  { name: "Order", path: ".spec.order", type: "number", description: "Its place in the tier", wide: true },
  { name: "Selector", path: ".spec.selector", type: "string", description: "What it applies to", wide: true },
];

// --- internal ---

function selectorOrNone() {
  return selectorField()
    .optional()
    .transform((text) => text ?? "");
}

function flag() {
  return z
    .boolean()
    .optional()
    .transform((value) => value ?? false);
}

function typesOf({ ingress, egress }: Pick<Fields, "ingress" | "egress">): readonly ("Ingress" | "Egress")[] {
  if (egress.length === 0) return ["Ingress"];
  return ingress.length === 0 ? ["Egress"] : ["Ingress", "Egress"];
}

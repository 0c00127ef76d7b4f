import { type CustomKind, type PrinterColumn, validations } from "../src/api/custom-kind.ts";
import { apiOf } from "../src/api/custom-kinds.ts";
import { type StructuralSchema, structuralSchema } from "./structural-schema.ts";

/** An apiextensions.k8s.io/v1 CustomResourceDefinition, as far as ours go. */
export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: Readonly<Record<string, string | readonly string[]>>;
    readonly scope: "Cluster" | "Namespaced";
    readonly versions: readonly Readonly<Record<string, unknown>>[];
  };
}

/** The CRD of `kind`. Throws when its schema cannot be made structural. */
export function crdOf(kind: CustomKind): CustomResourceDefinition {
  const { plural, singular, shortNames, foreign } = kind;
  const { group, version } = apiOf(kind);
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      ...(foreign === undefined ? {} : { annotations: { "api-approved.kubernetes.io": foreign.approvedBy } }),
    },
    spec: {
      group,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular,
        ...(shortNames.length === 0 ? {} : { shortNames }),
      },
      scope: kind.namespaced === true ? "Namespaced" : "Cluster",
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: [...kind.columns, age].map(printerColumn),
          ...(kind.selectableFields === undefined
            ? {}
            : { selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })) }),
          ...(kind.status === undefined ? {} : { subresources: { status: {} } }),
          schema: { openAPIV3Schema: objectSchema(kind) },
        },
      ],
    },
  };
}

// --- internal ---

/** The API server leaves its own Age column out as soon as a kind names columns. */
const age: PrinterColumn = {
  name: "Age",
  path: ".metadata.creationTimestamp",
  type: "date",
  description: "When it was made",
};

function printerColumn({ name, path, type, description, wide }: PrinterColumn): Readonly<Record<string, unknown>> {
  return { name, type, jsonPath: path, description, ...(wide === true ? { priority: 1 } : {}) };
}

function objectSchema(kind: CustomKind): StructuralSchema {
  const { description, spec, status, objectRules = [] } = kind;
  const { group, version } = apiOf(kind);
  return {
    description,
    type: "object",
    required: ["metadata", "spec"],
    properties: {
      apiVersion: { type: "string", description: `${group}/${version}.` },
      kind: { type: "string", description: "The kind of the object." },
      metadata: { type: "object" },
      spec: { description: "What is wanted.", ...structuralSchema(spec) },
      ...(status === undefined
        ? {}
        : { status: { description: "What is so; written by the controllers.", ...structuralSchema(status) } }),
    },
    ...validations(objectRules),
  };
}

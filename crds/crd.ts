import type { CustomKind, PrinterColumn } from "../src/api/custom-kind.ts";
import { customGroup, customVersion } from "../src/api/custom-kinds.ts";
import { type StructuralSchema, structuralSchema } from "./structural-schema.ts";

/** An apiextensions.k8s.io/v1 CustomResourceDefinition, as far as ours go. */
export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: Readonly<Record<string, string | readonly string[]>>;
    readonly scope: "Cluster";
    readonly versions: readonly Readonly<Record<string, unknown>>[];
  };
}

/** The CRD of `kind`. Throws when its schema cannot be made structural. */
export function crdOf(kind: CustomKind): CustomResourceDefinition {
  const { plural, singular, shortNames } = kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${customGroup}` },
    spec: {
      group: customGroup,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular,
        ...(shortNames.length === 0 ? {} : { shortNames }),
      },
      scope: "Cluster",
      versions: [
        {
          name: customVersion,
          served: true,
          storage: true,
          additionalPrinterColumns: [...kind.columns, age].map(printerColumn),
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

function objectSchema({ description, spec, status }: CustomKind): StructuralSchema {
  return {
    description,
    type: "object",
    required: ["metadata", "spec"],
    properties: {
      apiVersion: { type: "string", description: `${customGroup}/${customVersion}.` },
      kind: { type: "string", description: "The kind of the object." },
      metadata: { type: "object" },
      spec: { description: "What is wanted.", ...structuralSchema(spec) },
      ...(status === undefined
        ? {}
        : { status: { description: "What is so; written by the controllers.", ...structuralSchema(status) } }),
    },
  };
}

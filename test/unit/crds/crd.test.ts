import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { crdOf } from "../../../crds/crd.ts";
import { referencePage } from "../../../crds/reference-page.ts";
import { type StructuralSchema, structuralSchema } from "../../../crds/structural-schema.ts";
import type { CustomKind } from "../../../src/api/custom-kind.ts";
import { apiOf, customKinds } from "../../../src/api/custom-kinds.ts";

const root = new URL("../../../", import.meta.url);

function undescribed(schema: StructuralSchema, path: string): readonly string[] {
  return Object.entries((schema.items ?? schema).properties ?? {}).flatMap(([name, field]) => [
    ...(field.description?.endsWith(".") ? [] : [`${path}.${name}`]),
    ...undescribed(field, `${path}.${name}`),
  ]);
}

/** The schema of the field that a column's JSONPath leads to; a filter stands for any item of its list. */
function fieldAt({ spec, status }: CustomKind, path: string): StructuralSchema | undefined {
  const [, part, ...names] = path.replaceAll(/\[\?\(.*?\)\]/g, "").split(".");
  const root = part === "spec" ? spec : status;
  if (root === undefined) return undefined;
  return names.reduce<StructuralSchema | undefined>(
    (schema, name) => (schema?.items ?? schema)?.properties?.[name],
    structuralSchema(root),
  );
}

describe.each(customKinds.map((kind) => [kind.kind, kind] as const))("%s", (_, kind) => {
  test("has a sentence for every field", () => {
    expect(undescribed(structuralSchema(kind.spec), "spec")).toEqual([]);
    if (kind.status !== undefined) expect(undescribed(structuralSchema(kind.status), "status")).toEqual([]);
  });

  test("has columns that point at fields there are", () => {
    for (const { path } of kind.columns) expect(fieldAt(kind, path), path).toBeDefined();
  });

  test("stands in crds/ as the schemas say", async () => {
    const text = await readFile(new URL(`crds/${apiOf(kind).group}_${kind.plural}.yaml`, root), "utf8");
    // kubectl reads YAML 1.1, in which a bare Off is no text.
    for (const version of ["1.1", "1.2"] as const) expect(parse(text, { version })).toEqual(crdOf(kind));
  });
});

test("a schema keeps what the API server needs and leaves out what zod adds", () => {
  const schema = z.object({
    count: z.int().min(1).default(2).describe("How many."),
    maybe: z.array(z.int().nullable()),
    map: z.record(z.string(), z.boolean()),
    big: z
      .bigint()
      .meta({ openapi: { type: "integer", format: "int64" } })
      .describe("Big."),
  });
  expect(structuralSchema(schema)).toEqual({
    type: "object",
    required: ["maybe", "map", "big"],
    properties: {
      count: { description: "How many.", type: "integer", default: 2, minimum: 1 },
      maybe: { type: "array", items: { type: "integer", nullable: true } },
      map: { type: "object", additionalProperties: { type: "boolean" } },
      big: { description: "Big.", type: "integer", format: "int64" },
    },
  });
});

test("a schema that an API server would refuse is refused here", () => {
  const schema = z.object({ a: z.object({ b: z.union([z.string(), z.int()]) }) });
  expect(() => structuralSchema(schema)).toThrow("Cannot make a structural schema of .a.b: it has anyOf");
});

test("a kind of namespaces has fields to select by, and rules over its objects, in its CRD and on its page", () => {
  const kind: CustomKind = {
    kind: "Thing",
    plural: "things",
    singular: "thing",
    shortNames: [],
    aliases: [],
    namespaced: true,
    selectableFields: [".spec.side"],
    objectRules: [
      { cel: "self.metadata.name != 'a'", message: "a is taken", field: "metadata.name" },
      { cel: "self.spec.side != 'b'", message: "b is taken", field: "spec.side" },
      { message: "nobody can say this in CEL", field: "" },
    ],
    description: "A thing.",
    spec: z.object({ side: z.string() }),
    columns: [],
    example: {},
  };
  const { scope, versions } = crdOf(kind).spec;
  expect(scope).toBe("Namespaced");
  expect(versions[0]).toMatchObject({
    selectableFields: [{ jsonPath: ".spec.side" }],
    schema: {
      openAPIV3Schema: {
        "x-kubernetes-validations": [
          { rule: "self.metadata.name != 'a'", message: "a is taken" },
          { rule: "self.spec.side != 'b'", message: "b is taken", fieldPath: ".spec.side" },
        ],
      },
    },
  });
  const page = referencePage(kind, "kind: Thing\n");
  expect(page).toContain("`projectcalico.org/v3`, namespaced.");
  for (const text of ["a is taken", "b is taken"]) expect(page).toContain(`- ${text}.`);
});

test("a reference page lists fields at every depth, escapes bars, and gives the rules", () => {
  const page = referencePage(
    {
      kind: "Thing",
      plural: "things",
      singular: "thing",
      shortNames: ["th"],
      aliases: ["thingy"],
      description: "A thing.",
      spec: z
        .object({ parts: z.array(z.object({ side: z.enum(["a", "b"]).default("a").describe("Left | right.") })) })
        .meta({ "x-kubernetes-validations": [{ rule: "true", message: "parts must fit" }] }),
      columns: [],
      example: {},
    },
    "kind: Thing\n",
  );
  expect(page).toContain('| `parts[].side` | `"a"`, `"b"` | `"a"` | Left \\| right. |');
  expect(page).toContain("| `parts` | list of object | required |  |");
  expect(page).toContain("- parts must fit.");
  expect(page).toContain("`things`, `thing`, `th`, and with `margay` also `thingy`.");
});

import { z } from "zod";

/** An object of which exactly one of the fields is there; others than `fields` are refused. */
export function oneOf<Fields extends z.ZodRawShape>(fields: Fields) {
  return z
    .strictObject(fields)
    .check(({ value, issues }) => {
      if (Object.values(value).filter((field) => field !== undefined).length === 1) return;
      const message = `it must have exactly one of ${Object.keys(fields).join(", ")}`;
      issues.push({ code: "custom", input: value, path: [], message });
    })
    .meta({ minProperties: 1, maxProperties: 1 });
}

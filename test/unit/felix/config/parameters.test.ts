import { expect, test } from "vitest";
import { felixFields } from "../../../../src/api/felix-configuration.ts";
import type { FelixSettings } from "../../../../src/felix/config/felix-settings.ts";
import { fieldOf, localNames, parameters } from "../../../../src/felix/config/parameters.ts";
import { unusedFields } from "../../../../src/felix/config/unused-parameters.ts";

const settings = Object.keys(parameters) as (keyof FelixSettings)[];

test("every field of the CRD is a setting, or accepted without effect, and never both", () => {
  const { nodeSelector, ...fields } = felixFields;
  expect(nodeSelector).toBeDefined();
  const named = [...settings.map(fieldOf), ...unusedFields.keys()];
  expect(named.toSorted()).toEqual(Object.keys(fields).toSorted());
});

test("names of their own are those of fields", () => {
  expect(Object.keys(localNames).filter((field) => !(field in felixFields))).toEqual([]);
});

test("every description of a setting says its default", () => {
  const silent = settings.map(fieldOf).filter((field) => {
    const { description } = felixFields[field as keyof typeof felixFields];
    return !description?.includes("Default: ") && field !== "healthTimeoutOverrides";
  });
  expect(silent).toEqual([]);
});

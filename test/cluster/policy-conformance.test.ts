/**
 * The policy conformance run: for each named case the full truth table of pods, nodes and what is outside, by pod address and by
 * Service address, before and after the change, in real connections on a lab of two racks. All cases with iptables, some of each
 * subject with nftables; `make soak SOAK=conformance` runs all with each backend.
 */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeLab } from "../../lab/state.ts";
import { groups } from "./conformance/cases.ts";
import { expectation } from "./conformance/expectation.ts";
import { clusterRecipes, kubernetesRecipes, quarantineCase, recipesFolder } from "./conformance/recipes.ts";
import { expectTable, runCase } from "./conformance/run-case.ts";
import { type Stage, setStage } from "./conformance/stage.ts";
import { countAsked } from "./conformance/table.ts";
import { useBackend } from "./restarts/backends-left.ts";

const name = "conformance";
const all = Object.values(groups).flat();
/** Of each subject the first, and each fourth after it. */
const sample = Object.values(groups).flatMap((cases) => cases.filter((_, index) => index % 4 === 0));
let stage: Stage;

beforeAll(async () => {
  stage = await setStage(name);
});

afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  await removeLab(name);
});

test("every recipe has a case", () => {
  const files = [...Object.keys(kubernetesRecipes), ...Object.keys(clusterRecipes), quarantineCase.name];
  expect(files.sort()).toEqual(readdirSync(recipesFolder).sort());
});

test("every case has a name of its own", () => {
  const names = all.map((one) => one.name);
  expect(names.filter((one, index) => names.indexOf(one) !== index)).toEqual([]);
});

describe("with iptables", () => {
  tellFigures("policy conformance with iptables");
  describe.each(Object.entries(groups))("%s", (_group, cases) => {
    test.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one) => runCase(stage, one));
  });
});

describe("with nftables", () => {
  beforeAll(() => useBackend(stage.lab, "nftables"));
  tellFigures("policy conformance with nftables");
  test.each(sample.map((one) => [one.name, one] as const))("%s", (_name, one) => runCase(stage, one));
});

test("in the end everything is open again", () => expectTable(stage, "in the end", expectation([])));

// --- internal ---

function tellFigures(what: string): void {
  let figures = () => "";
  beforeAll(() => {
    figures = countAsked();
  });
  afterAll(() => {
    process.stdout.write(`${what}: ${figures()}\n`);
  });
}

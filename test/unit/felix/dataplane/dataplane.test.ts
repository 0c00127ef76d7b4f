import { expect, test } from "vitest";
import { Dataplane } from "../../../../src/felix/dataplane/dataplane.ts";

const state = { sets: new Map(), tables: new Map(), routes: new Map(), shapings: new Map() };

test("an interface is shaped before its rules open it and its routes lead to it", async () => {
  const calls: string[] = [];
  const driver = (kind: string) => ({
    upsert: async () => void calls.push(`${kind} come`),
    prune: async () => void calls.push(`${kind} go`),
    apply: async () => void calls.push(kind),
    faultsOf: async () => [],
    drift: async () => [],
    forget: () => undefined,
  });
  const prune = async () => {
    calls.push("sets go");
    return [];
  };
  const rules = { ...driver("rules"), prune };
  const dataplane = new Dataplane({ rules, routes: driver("routes"), shapings: driver("shapings") });
  await dataplane.apply(state);
  expect(calls).toEqual(["routes go", "shapings come", "rules", "routes come"]);
  await dataplane.tidy(state);
  expect(calls.slice(4)).toEqual(["sets go", "shapings go"]);
});

/**
 * The policy conformance run: for each named case the full truth table of pods, nodes and what is outside, by pod address and by
 * Service address, before and after the change, in real connections on a lab of two racks.
 */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeLab } from "../../lab/state.ts";
import { clusterPeerCases } from "./conformance/cluster-policy-peers.ts";
import { clusterTierCases } from "./conformance/cluster-policy-tiers.ts";
import { expectation } from "./conformance/expectation.ts";
import { changeCases } from "./conformance/kubernetes-changes.ts";
import { hostCases } from "./conformance/kubernetes-hosts.ts";
import { ipBlockCases } from "./conformance/kubernetes-ip-blocks.ts";
import { isolationCases } from "./conformance/kubernetes-isolation.ts";
import { portCases } from "./conformance/kubernetes-ports.ts";
import { selectorCases } from "./conformance/kubernetes-selectors.ts";
import {
  clusterRecipes,
  kubernetesRecipes,
  quarantineCase,
  recipeCases,
  recipesFolder,
} from "./conformance/recipes.ts";
import { expectTable, runCase } from "./conformance/run-case.ts";
import { type Stage, setStage } from "./conformance/stage.ts";
import { asked } from "./conformance/table.ts";
import { tierHostCases } from "./conformance/tiers-hosts.ts";
import { tierOrderCases } from "./conformance/tiers-order.ts";
import { tierProtocolCases } from "./conformance/tiers-protocols.ts";
import { tierEntityCases } from "./conformance/tiers-rules.ts";
import { tierStagedCases } from "./conformance/tiers-staged.ts";

const name = "conformance";
const groups = {
  "Kubernetes: label selectors": selectorCases,
  "Kubernetes: ports": portCases,
  "Kubernetes: address blocks": ipBlockCases,
  "Kubernetes: isolation": isolationCases,
  "Kubernetes: hosts": hostCases,
  "Kubernetes: changes": changeCases,
  "ClusterNetworkPolicy: tiers": clusterTierCases,
  "ClusterNetworkPolicy: peers": clusterPeerCases,
  "Calico: order": tierOrderCases,
  "Calico: staged policies": tierStagedCases,
  "Calico: whom rules name": tierEntityCases,
  "Calico: protocols": tierProtocolCases,
  "Calico: hosts": tierHostCases,
  "recipes for a namespace": recipeCases(kubernetesRecipes),
  "recipes for a cluster": [...recipeCases(clusterRecipes), quarantineCase],
};
const all = Object.values(groups).flat();
let stage: Stage;
let started: number;

beforeAll(async () => {
  stage = await setStage(name);
  started = performance.now();
});

afterAll(async () => {
  const seconds = Math.round((performance.now() - started) / 1000);
  const { cases, tables, probes, again } = asked;
  process.stdout.write(
    `policy conformance: ${cases} cases, ${tables} tables, ${probes} probes (${again} late answers), ${seconds} s\n`,
  );
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

describe.each(Object.entries(groups))("%s", (_group, cases) => {
  test.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one) => runCase(stage, one));
});

test("in the end everything is open again", () => expectTable(stage, "in the end", expectation([])));

import { execFileSync } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crdOf } from "../../crds/crd.ts";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { customKinds } from "../../src/api/custom-kinds.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { makeNamespace } from "../kernel/netlink-namespaces.ts";
import { ask } from "./malformed/api-answers.ts";
import { type Campaign, runCampaign } from "./malformed/campaign.ts";
import { type BrokenKind, samples } from "./malformed/samples.ts";
import { worldOf } from "./malformed/worlds.ts";

/** Another one is given by MARGAY_MALFORMED_SEED. */
const seed = Number(process.env["MARGAY_MALFORMED_SEED"] ?? 1);
const kinds = Object.keys(samples) as BrokenKind[];

let plane: ControlPlane;
let client: KubeClient;
let campaign: Campaign;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-malformed-"));
  plane = await startControlPlane({ folder, components: "api" });
  await plane.kubectl(["apply", "--server-side", `--filename=${resolve(import.meta.dirname, "../../crds")}`]);
  const names = customKinds.map((kind) => `customresourcedefinition/${crdOf(kind).metadata.name}`);
  await plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", ...names]);
  await plane.kubectl(["create", "namespace", "shop"]);
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
}, 180_000);

afterAll(async () => {
  client?.close();
  await plane?.stop();
});

test.each(kinds)("the whole object of kind %s is taken by the API server, and makes a difference", async (kind) => {
  expect(await ask(client, { kind, object: samples[kind] })).toHaveProperty("stored");
  const { alone, whole } = worldOf(kind);
  const isEnforced = !kind.startsWith("staged");
  expect(whole.passing.some((one, index) => one !== alone.passing[index])).toBe(isEnforced);
});

test("objects with one thing broken are refused, or close what they stand for and nothing else", async () => {
  campaign = await runCampaign(client, { seed, each: 5 });
  process.stdout.write(`${campaign.report}\n`);
  expect(campaign.failures).toEqual([]);
  expect(campaign.counts.get("refused by the API server")).toBeGreaterThanOrEqual(200);
  expect(campaign.counts.get("refused by our parser")).toBeGreaterThanOrEqual(200);
});

test("what is printed of them is taken by iptables and ipset", () => {
  const netns = makeNamespace();
  try {
    const run = (argv: readonly string[], input: string) =>
      execFileSync("ip", ["netns", "exec", netns.name, ...argv], { input, stdio: ["pipe", "pipe", "pipe"] });
    for (const { sets, tables } of campaign.printed) {
      run(["ipset", "restore"], sets);
      run(["iptables-restore", "--test", "--noflush"], tables[4]);
      run(["ip6tables-restore", "--test", "--noflush"], tables[6]);
      run(["ipset", "destroy"], "");
    }
  } finally {
    netns[Symbol.dispose]();
  }
  expect(campaign.printed.length).toBeGreaterThanOrEqual(20);
});

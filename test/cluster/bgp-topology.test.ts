/** A cluster's sessions are laid out anew, its BIRDs and agents restarted, its password changed: no packet is lost. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeLab } from "../../lab/state.ts";
import { askNodeBgp } from "../../src/cli/node-bgp.ts";
import { formatNodeStatus } from "../../src/cli/node-status-text.ts";
import { BgpCampaign } from "./bgp-campaign.ts";
import { restartAll, type Way, ways } from "./bgp-lab-restarts.ts";
import { meshIsHeld, writeSecret } from "./bgp-mesh-password.ts";
import { birdOf, podRoutes } from "./bgp-settled.ts";
import { samplePairs, setBgpStage } from "./bgp-stage.ts";

const name = "bgptopology";
let campaign: BgpCampaign;

beforeAll(async () => {
  const stage = await setBgpStage(name, 4, (line) => process.stdout.write(`${line}\n`));
  campaign = new BgpCampaign(stage, samplePairs(stage, 6, Math.random));
  await campaign.settled();
});

afterAll(async () => {
  campaign?.stage[Symbol.dispose]();
  await removeLab(name);
});

const node = (index: number) => {
  const found = campaign.stage.lab.layout.nodes[index - 1];
  if (found === undefined) throw new Error(`Cannot find node ${index}`);
  return found;
};

test("mesh, two reflectors, two others, mesh: no packet is lost, step by step and all at once", async () => {
  const before = await podRoutes(campaign.stage);
  for (const [names, order] of [
    [["node-1", "node-2"], "careful"],
    [["node-3", "node-4"], "at once"],
    [[], "careful"],
    [["node-1", "node-4"], "at once"],
  ] as const) {
    const { losses, sent } = await campaign.change(names, order);
    expect(losses).toEqual([]);
    expect(sent).toBeGreaterThan(6_000);
  }
  expect(await podRoutes(campaign.stage)).toEqual(before);
});

test("restarts in the midst of the way back to the mesh: no packet is lost", async () => {
  const restarts = [
    [node(1), ways.killBoth],
    [node(2), ways.killAgent],
    [node(4), ways.kubeletBird],
  ] as const;
  expect((await campaign.change([], "at once", { afterMs: 700, restarts })).losses).toEqual([]);
});

test("every BIRD and every agent at once, killed and stopped as kubelet does: no packet is lost", async () => {
  const rounds: readonly (readonly [Way, Way, Way, Way])[] = [
    [ways.killBoth, ways.killBoth, ways.killBoth, ways.killBoth],
    [ways.kubeletBoth, ways.kubeletBird, ways.kubeletBirdPlain, ways.kubeletAgent],
    [ways.killBird, ways.gracefulRestart, ways.killAgent, ways.killBird],
  ];
  for (const round of rounds) {
    const { losses } = await campaign.restart(round.map((way, index) => [node(index + 1), way] as const));
    expect(losses).toEqual([]);
  }
});

test("a password of the mesh is set, changed and taken away: no packet is lost", async () => {
  const { stage } = campaign;
  const steps = [
    ["a password is set", () => writeSecret(stage, "first").then(() => campaign.askForPassword(true))],
    ["the password is changed", () => writeSecret(stage, "second")],
    ["the password is taken away", () => campaign.askForPassword(false)],
  ] as const;
  for (const [what, step] of steps) {
    const before = await birdOf(stage, node(1));
    const { losses } = await campaign.phase(what, async () => {
      await step();
      await expect.poll(() => restartsSince(before.lastReboot), { timeout: 30_000 }).toBe(true);
    });
    expect(losses).toEqual([]);
  }
});

test("sessions whose Secret is deleted are held, as every node says from anywhere, and never opened without a password", async () => {
  const { stage } = campaign;
  await campaign.askForPassword(true);
  await campaign.settled();
  await writeSecret(stage, undefined);
  const reason = "there is no Secret bgp-secrets in namespace margay-system";
  expect(await meshIsHeld(stage)).toEqual([reason]);
  expect(formatNodeStatus(await askNodeBgp(stage.client, "node-2"))).toContain(
    `Mesh_172_18_1_11 is held down: ${reason}`,
  );
  await restartAll(
    stage,
    stage.lab.layout.nodes.map((one) => [one, ways.killBoth] as const),
  );
  expect(await meshIsHeld(stage)).toEqual([reason]);
  await writeSecret(stage, "third");
  await campaign.settled();
});

/** Whether there is another BIRD on the first node than the one of then: a password changes by a restart of it. */
async function restartsSince(lastReboot: string): Promise<boolean> {
  const now = await birdOf(campaign.stage, node(1)).catch(() => undefined);
  return now !== undefined && now.lastReboot !== lastReboot;
}

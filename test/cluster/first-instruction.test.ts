/** A pod is protected before its first instruction, and what it may reach on its node it reaches with its first packet. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NodeLayout, nodeNamed, outsideAddresses } from "../../lab/layout.ts";
import { inNode } from "../../lab/node.ts";
import { removeLab } from "../../lab/state.ts";
import { firstInstructions, freshPoolsFor, settledTraces, tracesOfPods } from "./first-instruction-campaign.ts";
import { forbiddenPorts, type Stage, setStage } from "./first-instruction-stage.ts";
import type { Tally } from "./first-instruction-tally.ts";

const name = "firstinstr";
const pods = 100;
let stage: Stage;

beforeAll(async () => {
  stage = await setStage(name, freshPoolsFor(pods));
});

afterAll(() => removeLab(name));

/** Whom no pod's policy holds up on the way to each place that is watched: the node that it is on. */
function senders({ lab, home, ...stage }: Stage): readonly (readonly [NodeLayout, string])[] {
  const away = nodeNamed(lab.layout, "node-2");
  return [
    ...[stage.closedHere, stage.guardedHere, outsideAddresses[0]].map((address) => [home, address] as const),
    ...[stage.closedThere, stage.guardedThere, stage.openThere].map((address) => [away, address] as const),
  ];
}

test("the meters see whatever arrives", async () => {
  for (const [node, address] of senders(stage)) {
    const to = `${address}/${forbiddenPorts[0]}`;
    // The connect is refused once it has arrived.
    await inNode(stage.lab.layout, node, ["bash", "-c", `echo x >/dev/udp/${to}; echo x >/dev/tcp/${to} || true`]);
  }
  for (const meter of stage.forbidden) {
    expect(await meter.packets(), meter.name).toBeGreaterThan(0);
    const protocols = new Set((await meter.seen()).map(({ protocol }) => protocol));
    expect(protocols, meter.name).toEqual(new Set(["tcp", "udp"]));
    await meter.reset();
    expect(await meter.packets(), meter.name).toBe(0);
  }
});

test("no forbidden packet of a new pod arrives, and no allowed SYN is lost, whatever befalls the agent", {
  timeout: 400_000,
}, async () => {
  const before = await tracesOfPods(stage);
  const tally: Tally = await firstInstructions(stage, { pods, random: Math.random });
  process.stdout.write(`${tally.summary()}\n`);
  expect(tally.broken).toEqual([]);
  expect(await settledTraces(stage, before)).toEqual(before);
  // All of this would hold for pods that send nothing, too.
  expect(tally.pods).toBe(pods);
  expect(tally.attempted).toBe(pods);
  expect(tally.allowed).toBeGreaterThan(pods);
  expect(tally.reused).toBeGreaterThan(0);
  expect(tally.failedAdds).toBeGreaterThan(0);
  expect(Object.values(tally.disturbances).every((times) => times > 0)).toBe(true);
});

/**
 * Lays out a lab's sessions anew at random for as long as `MINUTES` says (default 10), mesh and reflectors, and restarts its BIRDs
 * and agents, also in the midst of it, and changes the mesh's password: with a stream of 1,000 packets a second between every two
 * pods. Prints a line for each phase and a summary; ends non-zero when a packet was lost, or the sessions do not become what is
 * wanted.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeLab } from "../../lab/state.ts";
import { BgpCampaign } from "../cluster/bgp-campaign.ts";
import { randomRestarts } from "../cluster/bgp-lab-restarts.ts";
import { writeSecret } from "../cluster/bgp-mesh-password.ts";
import { type BgpStage, samplePairs, setBgpStage } from "../cluster/bgp-stage.ts";
import type { Reflectors } from "../cluster/bgp-topologies.ts";
import { between, oneOf } from "../cluster/restarts/random.ts";

const minutes = Number(process.env["MINUTES"] || "10");
if (!(minutes > 0)) throw new Error(`Cannot run for MINUTES=${process.env["MINUTES"]}: give a number above 0`);
const name = "bgp-soak";
const nodeCount = 4;
const random = Math.random;

await using undo = new AsyncDisposableStack();
undo.defer(async () => {
  await removeLab(name);
});
const stage = undo.use(await setBgpStage(name, nodeCount, say));
const campaign = new BgpCampaign(stage, samplePairs(stage, nodeCount * (nodeCount - 1), random));
await campaign.settled();
const end = performance.now() + minutes * 60_000;
let passwords = 0;
try {
  for (let turn = 0; performance.now() < end; turn++) {
    const { losses } = (await [change, restart, changeInTheMidst, restart, password][turn % 5]?.()) ?? { losses: [] };
    if (losses.length > 0) sayLogs(stage);
  }
} catch (error) {
  sayLogs(stage);
  throw error;
}
const lossy = stage.phases.filter(({ losses }) => losses.length > 0);
const sent = stage.phases.reduce((sum, phase) => sum + phase.sent, 0);
say(`soak: ${stage.phases.length} phases, ${sent} packets, ${lossy.length} phases with losses`);
if (lossy.length > 0) process.exitCode = 1;

// --- internal ---

function change() {
  return campaign.change(otherReflectors(), oneOf(["careful", "at once"], random));
}

function changeInTheMidst() {
  const midst = { afterMs: Math.round(between(0, 3_000, random)), restarts: randomRestarts(stage, random) };
  return campaign.change(otherReflectors(), oneOf(["careful", "at once"], random), midst);
}

function restart() {
  return campaign.restart(randomRestarts(stage, random));
}

/** Set, changed or taken away, where there is a mesh. */
function password() {
  if (campaign.reflectors.length > 0) return campaign.change([], "careful");
  if (campaign.password && random() < 0.4) {
    return campaign.phase("the mesh's password is taken away", () => campaign.askForPassword(false));
  }
  return campaign.phase(`the mesh's password is number ${++passwords}`, async () => {
    await writeSecret(stage, `number-${passwords}`);
    await campaign.askForPassword(true);
    // It reaches the agents when it does; until then all looks settled.
    await sleep(2_000);
  });
}

function otherReflectors(): Reflectors {
  const all = stage.lab.layout.nodes.map(({ name: node }) => node);
  const pairs = all.flatMap((one, index) => all.slice(index + 1).map((other) => [one, other]));
  if (campaign.reflectors.length > 0 && random() < 0.5) return [];
  const choices = [...all.map((one) => [one]), ...pairs];
  return oneOf(
    choices.filter((names) => names.join() !== campaign.reflectors.join()),
    random,
  );
}

/** The lab's logs go with it. */
function sayLogs({ lab }: BgpStage): void {
  for (const { name: node, folder } of lab.layout.nodes) {
    for (const daemon of ["agent", "bird"]) {
      const lines = readFileSync(join(folder, "logs", `${daemon}.log`), "utf8")
        .trimEnd()
        .split("\n");
      say([`${daemon} of ${node} said at last:`, ...lines.slice(-60)].join("\n    "));
    }
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

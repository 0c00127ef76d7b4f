/**
 * Leads `PODS` pods (default 1,000) through their lives on a lab, each with a forbidden first instruction, while their node's
 * agent is paused, killed and slowed. Prints a line every 50 pods and a summary; ends non-zero when a promise was broken.
 */
import { removeLab } from "../../lab/state.ts";
import {
  firstInstructions,
  freshPoolsFor,
  settledTraces,
  tracesOfPods,
} from "../cluster/first-instruction-campaign.ts";
import { setStage } from "../cluster/first-instruction-stage.ts";
import type { Tally } from "../cluster/first-instruction-tally.ts";

const pods = Number(process.env["PODS"] || "1000");
if (!(Number.isInteger(pods) && pods > 0 && pods <= 10_000)) {
  throw new Error(`Cannot run with PODS=${process.env["PODS"]}: give a whole number from 1 to 10000`);
}
const name = "firstinstr-soak";

const told = { pods: 0, broken: 0 };
await using undo = new AsyncDisposableStack();
undo.defer(async () => {
  await removeLab(name);
});
const stage = await setStage(name, freshPoolsFor(pods));
const before = await tracesOfPods(stage);
const tally = await firstInstructions(stage, { pods, random: Math.random, onPod: progress });
const left = (await settledTraces(stage, before)).filter((line) => !before.includes(line));
say(tally.summary());
for (const broken of tally.broken.slice(told.broken)) say(`broken: ${broken}`);
for (const line of left) say(`left behind: ${line}`);
const isWhole = tally.broken.length === 0 && left.length === 0 && tally.attempted === pods;
say(`soak: first instructions of ${tally.pods} pods, ${isWhole ? "every promise kept" : "NOT as promised"}`);
if (!isWhole) process.exitCode = 1;

// --- internal ---

function progress({ failedAdds, broken }: Tally): void {
  for (const one of broken.slice(told.broken)) say(`broken: ${one}`);
  told.broken = broken.length;
  told.pods++;
  if (told.pods % 50 === 0) say(`${told.pods} pods, failed ADDs ${failedAdds}, broken promises ${told.broken}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

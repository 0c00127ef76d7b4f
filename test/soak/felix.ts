/**
 * Kills the agents of a lab at random for as long as `MINUTES` says (default 10), under churn and while their backends are switched,
 * with allowed and forbidden traffic all the time. Prints a line a minute and a summary; ends non-zero when a forbidden packet has
 * arrived or an allowed connection has broken, with what led to it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeLab } from "../../lab/state.ts";
import { beginCampaign } from "../cluster/restarts/campaign.ts";
import { formatReport, type Report } from "../cluster/restarts/report.ts";
import { type Stage, setStage } from "../cluster/restarts/stage.ts";

const minutes = Number(process.env["MINUTES"] || "10");
if (!(minutes > 0)) throw new Error(`Cannot run for MINUTES=${process.env["MINUTES"]}: give a number above 0`);
const name = "felix-soak";
const mostTold = 10;
let told = 0;

await using undo = new AsyncDisposableStack();
undo.defer(async () => {
  await removeLab(name);
});
const stage = undo.use(await setStage(name));
const end = new AbortController();
const campaign = await beginCampaign(stage, { random: Math.random, signal: end.signal });
const over = campaign.over.finally(() => end.abort());
// A campaign that fails by itself ends the minutes, too.
over.catch(() => undefined);
for (let left = minutes; left > 0 && !end.signal.aborted; left--) {
  await sleep(Math.min(left, 1) * 60_000, undefined, { signal: end.signal }).catch(() => undefined);
  if (end.signal.aborted) break;
  const report = await campaign.look();
  tell(report);
  say(`${Math.round((minutes - left + Math.min(left, 1)) * 10) / 10} min: ${formatReport(report)}`);
}
end.abort();
const report = await over;
tell(report);
const isKept = report.breaches.length === 0 && report.figures.echoed === report.figures.sent;
say(`soak: ${formatReport(report)}; ${isKept ? "every promise kept" : "NOT as promised"}`);
if (!isKept) process.exitCode = 1;

// --- internal ---

function tell({ breaches }: Report): void {
  for (const breach of breaches.slice(told, mostTold)) say(`broken: ${breach}`);
  // The lab's logs go with it.
  if (told === 0 && breaches.length > 0) sayLogs(stage);
  told = breaches.length;
}

function sayLogs({ lab }: Stage): void {
  for (const { name: node, folder } of lab.layout.nodes) {
    const lines = readFileSync(join(folder, "logs", "agent.log"), "utf8")
      .trimEnd()
      .split("\n");
    say([`the agent of ${node} said at last:`, ...lines.slice(-60)].join("\n    "));
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

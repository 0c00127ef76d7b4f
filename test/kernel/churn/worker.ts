/**
 * One churn in a process of its own, whose network namespace is its own: `worker.ts '{"changes":…,"sampleEvery":…,"seed":…}'`,
 * with `--expose-gc`. Prints each sample and then the report, one JSON object a line.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openNetlink } from "../../../src/host/netlink/route-netlink.ts";
import { runProgram } from "../../../src/host/run-program.ts";
import type { ChurnReport, LeftBehind } from "./churn-report.ts";
import { type ChurnRequest, FelixChurn } from "./felix-churn.ts";
import { childrenOf, heldResources, openFiles } from "./held-resources.ts";

const request = JSON.parse(process.argv[2] ?? "") as ChurnRequest;
// What Node itself needs for programs and files is there from now on.
await runProgram(["true"]);
// Two sockets of this process's own namespace are kept for whoever asks next: these, or two that come after them.
for (const netlink of [openNetlink(), openNetlink()]) netlink.close();
const before = openFiles();
const churn = new FelixChurn(request);
const { told, ...findings } = await churn.run((sample) => print({ sample }));
const report: ChurnReport = {
  ...findings,
  left: await leftBehind(),
  problems: Object.fromEntries(told.problems),
  errors: told.errors,
  repaired: Object.fromEntries(told.repaired),
  passes: told.passes,
};
print({ report });

// --- internal ---

/** A moment after its end: programs end, and a poll of the kernel's events comes back, after they were told to. */
async function leftBehind(): Promise<LeftBehind> {
  for (let round = 0; ; round++) {
    await sleep(100);
    const now = openFiles();
    const keptBefore = notIn(now, before).filter(isSocket).length;
    const opened = notIn(before, now);
    const files = [...opened.filter((target) => !isSocket(target)), ...opened.filter(isSocket).slice(keptBefore)];
    const left = { files, children: childrenOf().length, timers: heldResources().timers };
    if (round === 30 || (files.length === 0 && left.children === 0 && left.timers === 0)) return left;
  }
}

/** What those of `files` lead to that `others` has not. */
function notIn(others: ReadonlyMap<string, string>, files: ReadonlyMap<string, string>): readonly string[] {
  return [...files].filter(([fd, target]) => others.get(fd) !== target).map(([, target]) => target);
}

function isSocket(target: string): boolean {
  return target.startsWith("socket:");
}

function print(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/**
 * Leads a node's Felix through `CHANGES` changes (default 200,000) of a cluster, of its settings, its backend and of what others
 * do to its rules, on a real kernel. Prints every 20,000 what the process holds, and a summary; ends non-zero when it holds ever
 * more, leaves something behind at its end, or a newcomer finds that the kernel is not as it should be.
 */
import { faultsOf, reportText, sampleText } from "../kernel/churn/churn-report.ts";
import { runChurn } from "../kernel/churn/run-churn.ts";

const changes = Number(process.env["CHANGES"] || "200000");
if (!(Number.isInteger(changes) && changes >= 4000)) {
  throw new Error(`Cannot run with CHANGES=${process.env["CHANGES"]}: give a whole number from 4000`);
}
const seed = Number(process.env["SEED"] || Math.floor(Math.random() * 2 ** 31));
const printEvery = 20_000;

say(`seed ${seed}`);
let printed = 0;
const report = await runChurn({ changes, sampleEvery: Math.ceil(changes / 80), seed }, (sample) => {
  if (Math.floor(sample.changes / printEvery) === printed) return;
  printed = Math.floor(sample.changes / printEvery);
  say(sampleText(sample));
});
for (const line of reportText(report)) say(line);
const faults = faultsOf(report);
for (const fault of faults) say(`fault: ${fault}`);
say(`soak: changes ${report.samples.at(-1)?.changes}, faults ${faults.length}`);
if (faults.length > 0) process.exitCode = 1;

// --- internal ---

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

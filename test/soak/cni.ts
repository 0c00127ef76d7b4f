/**
 * Kills and spoils ADDs and DELs at every step, and goes on in every way after each: what the tests take samples of. Prints a
 * line for each sweep; ends non-zero at the first thing that is left over or missing, and names the step.
 */
import { mkdirSync } from "node:fs";
import { compileShim } from "../kernel/cni-call.ts";
import { DoomedServers } from "../kernel/cni-doomed-servers.ts";
import { buildPatient, sweepAdd, sweepDel } from "../kernel/cni-kill-campaign.ts";
import { CniNode } from "../kernel/cni-node.ts";
import { type Spoiling, sweepSpoiltAdds, sweepSpoiltDels } from "../kernel/cni-spoilt-campaign.ts";
import { subjectsOf } from "../kernel/cni-subjects.ts";

await using shim = await compileShim(10);
const patient = await buildPatient(shim, 20_000);
const total = { steps: 0, kills: 0, spoilt: 0 };
for (const [name, subjectOf] of Object.entries(subjectsOf)) {
  for (const when of ["before", "after"] as const) {
    for (const sweep of [sweepAdd, sweepDel]) {
      await using node = new CniNode(shim);
      await using servers = new DoomedServers(node);
      const { steps, kills } = await sweep({ subject: subjectOf(node), servers, patient }, when);
      total.steps += steps;
      total.kills += kills;
      say(`${name}, ${sweep.name} ${when} each step: steps ${steps}, kills ${kills}, leaks 0`);
    }
  }
  for (const by of ["hang-up", "fault", "outage"] as const) {
    for (const when of ["before", "after"] as const) await spoil(name, subjectOf, { by, when });
  }
}
say(`soak: steps ${total.steps}, agents killed ${total.kills}, steps spoilt ${total.spoilt}, leaks 0`);

// --- internal ---

async function spoil(
  name: string,
  subjectOf: (typeof subjectsOf)[keyof typeof subjectsOf],
  spoiling: Spoiling,
): Promise<void> {
  // Nothing that fails again and again has been done nevertheless each time.
  if (spoiling.by === "outage" && spoiling.when === "after") return;
  for (const sweep of [sweepSpoiltAdds, sweepSpoiltDels]) {
    await using node = new CniNode(shim);
    mkdirSync(node.dependencies.paths.intents);
    const steps = await sweep(subjectOf(node), spoiling);
    total.spoilt += steps;
    say(`${name}, ${sweep.name} by ${spoiling.by} ${spoiling.when} each step: steps ${steps}, leaks 0`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

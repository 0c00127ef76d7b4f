import { mkdirSync } from "node:fs";
import { describe, expect } from "vitest";
import { DoomedServers } from "./cni-doomed-servers.ts";
import { buildPatient, sweepAdd, sweepDel } from "./cni-kill-campaign.ts";
import { sweepSpoiltAdds, sweepSpoiltDels } from "./cni-spoilt-campaign.ts";
import { subjectsOf } from "./cni-subjects.ts";
import { test as base } from "./cni-test.ts";

const test = base
  // Nobody comes for whom an ADD could wait, but for that of the patient ones.
  .override("waitsMs", { scope: "file" }, () => ({ short: 10, long: 20_000 }))
  .extend("patient", { scope: "file" }, ({ shim, waitsMs }) => buildPatient(shim, waitsMs.long))
  .extend("servers", async ({ node }, { onCleanup }) => {
    const servers = new DoomedServers(node);
    onCleanup(() => servers[Symbol.asyncDispose]());
    return servers;
  });

/**
 * Another one at each step, so that a sweep takes each of them about as often: those of an agent that held addresses, then
 * those of one that did not. Of many steps, every so many.
 */
const inTurn =
  (courses: number, every = 1) =>
  (step: number) =>
    step % every === 1 % every ? [(Math.floor(step / every) + courses / 2) % courses] : [];

describe.for(Object.entries(subjectsOf))("%s: an agent is killed", ([, subjectOf]) => {
  test("at every third step of ADD, and what it did is gone, or whole and working", async ({
    node,
    servers,
    patient,
  }) => {
    const { steps } = await sweepAdd({ subject: subjectOf(node), servers, patient, chosen: inTurn(10, 3) }, "after");
    expect(steps).toBeGreaterThan(8);
  });

  test("at every step of DEL, and nothing is left", async ({ node, servers, patient }) => {
    const { steps } = await sweepDel({ subject: subjectOf(node), servers, patient, chosen: inTurn(6) }, "after");
    expect(steps).toBeGreaterThan(2);
  });
});

const spoilings = [
  { by: "hang-up", when: "after" },
  { by: "fault", when: "before" },
  { by: "fault", when: "after" },
  { by: "outage", when: "before" },
] as const;

describe.for(Object.entries(subjectsOf))("%s: what lives on", ([, subjectOf]) => {
  for (const spoiling of spoilings) {
    const what = `${spoiling.by} ${spoiling.when} it`;
    test(`undoes an ADD or is through with it, at every step: ${what}`, async ({ node }) => {
      mkdirSync(node.dependencies.paths.intents);
      expect(await sweepSpoiltAdds(subjectOf(node), spoiling, inTurn(6))).toBeGreaterThan(6);
    });

    test(`finishes a DEL, at every step: ${what}`, async ({ node }) => {
      mkdirSync(node.dependencies.paths.intents);
      expect(await sweepSpoiltDels(subjectOf(node), spoiling, (step) => [3 * (step % 2)])).toBeGreaterThan(1);
    });
  }
});

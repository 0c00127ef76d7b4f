import { expect, test } from "vitest";
import { DriftReport } from "../../../src/agent/drift-report.ts";
import type { Repair } from "../../../src/felix/dataplane/sentinel.ts";
import { systemClock } from "../../../src/host/clock.ts";

const repair: Repair = {
  part: "rules",
  found: Array.from({ length: 7 }, (_, index) => ({
    part: "rules",
    where: `chain ${index}`,
    difference: "it is not there",
  })),
  wrongForMs: 60,
  since: "event",
  by: [{ port: 5, pid: 4711, process: "iptables" }, { port: 6 }, { port: 0 }],
};

test("a line says what, for how long and who; ten a minute, and the next tells how many were left out", () => {
  let now = 0;
  const lines: object[] = [];
  const logger = { warn: (facts: object) => void lines.push(facts) };
  const report = new DriftReport({ clock: { ...systemClock, monotonicNow: () => now }, logger });
  for (let count = 0; count < 25; count++) report.repaired(repair);
  expect(lines).toHaveLength(10);
  expect(lines[0]).toMatchObject({
    differences: 7,
    found: Array.from({ length: 5 }, (_, index) => `chain ${index}: it is not there`),
    wrongForMs: 60,
    by: ["iptables, process 4711", "netlink port 6", "the kernel"],
  });
  now = 60_000;
  report.repaired(repair);
  expect(lines[10]).toMatchObject({ repairsNotLogged: 15 });
  report.repaired(repair);
  expect(lines[11]).not.toHaveProperty("repairsNotLogged");
});

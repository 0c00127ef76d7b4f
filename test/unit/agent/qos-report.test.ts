import { pino } from "pino";
import { expect, test } from "vitest";
import { QosReport } from "../../../src/agent/qos-report.ts";
import type { EndpointPlan } from "../../../src/felix/calc/plan.ts";

test("what cannot be had is told once for each interface, and again when it is something else or comes back", () => {
  const told: unknown[] = [];
  const logger = pino({}, { write: (line: string) => told.push(JSON.parse(line).problems) });
  const report = new QosReport(logger);
  report.look(endpoints({ cali1: ["one"], cali2: [] }));
  report.look(endpoints({ cali1: ["one"], cali2: ["two"] }));
  report.look(endpoints({ cali1: ["other"], cali2: ["two"] }));
  report.look(endpoints({ cali1: ["other"], cali2: [] }));
  report.look(endpoints({ cali2: ["two"] }));
  report.look(endpoints({ cali1: ["other"], cali2: ["two"] }));
  expect(told).toEqual([["one"], ["two"], ["other"], ["two"], ["other"]]);
});

function endpoints(problems: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, EndpointPlan> {
  const nothing = { tiers: [], profile: "allow" } as const;
  const fixed = { addresses: [], state: "open", ingress: nothing, egress: nothing } as const;
  return new Map(
    Object.entries(problems).map(([hostInterface, each]) => [
      hostInterface,
      { ...fixed, hostInterface, qos: { problems: each } },
    ]),
  );
}

import { expect, test } from "vitest";
import type { Logger } from "../../../src/agent/logger.ts";
import { QosReport } from "../../../src/agent/qos-report.ts";
import type { EndpointPlan } from "../../../src/felix/calc/plan.ts";
import { parseCidr } from "../../../src/net/cidr.ts";

const open = { tiers: [], profile: "allow" } as const;
const plain: EndpointPlan = { hostInterface: "cali1", addresses: [], state: "open", ingress: open, egress: open };

test("what of a pod's wishes cannot be had is told once, and again when it is something else", () => {
  const told: unknown[] = [];
  const report = new QosReport({ warn: (facts: unknown) => told.push(facts) } as unknown as Logger);
  const look = (endpoint: EndpointPlan, foreignSources = true) =>
    report.look(new Map([["cali1", endpoint]]), { foreignSources });
  const both = { ...plain, qos: { problems: ["one"] }, problems: ["two"] };
  look(plain);
  look(both);
  look(both);
  look({ ...plain, problems: ["two"] });
  look(plain);
  look({ ...plain, problems: ["two"] });
  const foreign = { ...plain, foreignSources: [parseCidr("192.0.2.0/24")] };
  look(foreign);
  look(foreign, false);
  look(foreign, false);
  expect(told).toEqual([
    { interface: "cali1", addresses: [], problems: ["one", "two"] },
    { interface: "cali1", addresses: [], problems: ["two"] },
    { interface: "cali1", addresses: [], problems: ["two"] },
    {
      ...{ interface: "cali1", addresses: [] },
      problems: [
        "cni.projectcalico.org/allowedSourcePrefixes is left out: workloadSourceSpoofing of FelixConfiguration is Disabled",
      ],
    },
  ]);
});

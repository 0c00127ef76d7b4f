import { expect, test } from "vitest";
import { parseGlobalNetworkPolicy } from "../../../src/api/global-network-policy.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { PolicyReportController } from "../../../src/controllers/policy-report/policy-report-controller.ts";
import { feeds } from "../../../src/kube/fed-kinds.ts";
import type { RejectedObject } from "../../../src/kube/rejected-objects.ts";
import { noAgents } from "../../fakes/no-agents.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

function world() {
  const events: string[] = [];
  const rejected: RejectedObject[] = [];
  const globalNetworkPolicy = new Map();
  const controller = new PolicyReportController({
    ...{ client: stubClient(() => ({})), agents: noAgents, clock: testClock(), rejected: () => rejected },
    snapshot: { ...emptySnapshot(), globalNetworkPolicy },
    events: {
      record: ({ kind, namespace, name, uid }, type, reason, message) =>
        events.push(`${type} ${reason} ${kind.kind} ${namespace ?? "-"} ${name} ${uid}: ${message}`),
    },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  return { events, rejected, globalNetworkPolicy, controller };
}

test("each version of an object that cannot be read is told of once", async () => {
  const { events, rejected, controller } = world();
  const one = {
    kind: feeds.networkPolicy.resource,
    namespace: "shop",
    name: "web",
    uid: "u",
    reason: "Cannot read it",
  };
  rejected.push(one);
  await controller.pass();
  await controller.pass();
  expect(events).toEqual([
    expect.stringMatching(
      /^Warning Unreadable NetworkPolicy shop web u: Cannot read it\. A policy that cannot be read denies/,
    ),
  ]);
  rejected[0] = { ...one, reason: "Cannot read it otherwise" };
  await controller.pass();
  expect(events).toHaveLength(2);
  rejected.pop();
  await controller.pass();
  rejected.push(one);
  await controller.pass();
  expect(events).toHaveLength(3);
});

test("an Allow rule with http is told of, and no other rule", async () => {
  const { events, globalNetworkPolicy, controller } = world();
  const http = { methods: ["GET"] };
  const policy = (name: string, ingress: readonly object[]) =>
    globalNetworkPolicy.set(
      name,
      parseGlobalNetworkPolicy({ metadata: { name, uid: "u" }, spec: { selector: "all()", ingress } }),
    );
  policy("plain", [{ action: "Allow" }]);
  policy("requests", [{ action: "Deny" }, { action: "Allow", protocol: "TCP", http }]);
  await controller.pass();
  expect(events).toEqual([
    expect.stringMatching(
      /^Warning HTTPNotEnforced GlobalNetworkPolicy - requests u: spec\.ingress\[1\]: .*matches no packet/,
    ),
  ]);
});

import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { NodeWriter } from "../../../../src/agent/node/node-writer.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import type { Labels, Node } from "../../../../src/api/objects.ts";
import type { NetworkCondition } from "../../../../src/kube/node-status.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { clusterSnapshot } from "../../bgp/cluster.ts";

const name = "node-1" as NodeName;
const [plain] = [...clusterSnapshot({ nodes: { "node-1": { ips: ["10.0.0.1"] } } }).node.values()] as [Node];
const up: NetworkCondition = { isUnavailable: false, reason: "CalicoIsUp", message: "It is." };

function setUp(fails = 0) {
  const writes: unknown[] = [];
  const nodes = new Map<NodeName, Node>([[name, plain]]);
  let failures = fails;
  const take = (what: unknown) => {
    if (failures-- > 0) throw new Error("Cannot reach the API server");
    writes.push(what);
  };
  const writer = new NodeWriter({
    ...{ node: name, nodes, clock: testClock(), logger: pino({ level: "silent" }) },
    annotate: async (annotations) => {
      take(annotations);
      const known = nodes.get(name) as Node;
      const after = Object.entries({ ...known.annotations, ...annotations }).filter(([, value]) => value !== null);
      nodes.set(name, { ...known, annotations: Object.fromEntries(after) as Labels });
    },
    setCondition: async (condition) => {
      take(condition);
      const known = nodes.get(name) as Node;
      const status = condition.isUnavailable ? "True" : "False";
      nodes.set(name, { ...known, networkUnavailable: { status, reason: condition.reason } });
    },
  });
  onTestFinished(() => writer.stop());
  return { writer, writes, nodes };
}

const settle = () => sleep(20);

test("what is wanted is written once, in one request, and what is there already is not", async () => {
  const { writer, writes, nodes } = setUp();
  nodes.set(name, { ...plain, annotations: { there: "1" } });
  writer.annotate("there", "1");
  writer.annotate("a", "1");
  writer.annotate("b", "2");
  writer.annotate("gone", undefined);
  await settle();
  writer.annotate("a", "1");
  writer.touched();
  await settle();
  expect(writes).toEqual([{ a: "1", b: "2" }]);
});

test("an annotation that somebody changes is put back, and one that shall not be there is taken away", async () => {
  const { writer, writes, nodes } = setUp();
  writer.annotate("a", "1");
  await settle();
  nodes.set(name, { ...plain, annotations: { a: "other" } });
  writer.touched();
  await settle();
  writer.annotate("a", undefined);
  await settle();
  expect(writes).toEqual([{ a: "1" }, { a: "1" }, { a: null }]);
});

test("what is written once may be changed by a person afterwards", async () => {
  const { writer, writes, nodes } = setUp();
  writer.annotate("a", "1", "once");
  await settle();
  nodes.set(name, { ...plain, annotations: { a: "other" } });
  writer.touched();
  await settle();
  expect(writes).toEqual([{ a: "1" }]);
});

test("a Node that is not known yet is written to when it comes", async () => {
  const { writer, writes, nodes } = setUp();
  nodes.clear();
  writer.annotate("a", "1");
  await settle();
  expect(writes).toEqual([]);
  nodes.set(name, plain);
  writer.touched();
  await settle();
  expect(writes).toEqual([{ a: "1" }]);
});

test("what the API server does not take is tried again; a condition that is taken away is put back", async () => {
  const { writer, writes, nodes } = setUp(2);
  writer.annotate("a", "1");
  writer.setNetworkCondition(up);
  await settle();
  expect(writes).toEqual([{ a: "1" }, up]);
  writer.touched();
  await settle();
  expect(writes).toHaveLength(2);
  const { networkUnavailable: _, ...without } = nodes.get(name) as Node;
  nodes.set(name, without);
  writer.touched();
  await settle();
  expect(writes).toEqual([{ a: "1" }, up, up]);
});

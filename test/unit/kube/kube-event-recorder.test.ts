import { expect, test } from "vitest";
import { ipPoolKind, podKind } from "../../../src/api/kinds.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { KubeEventRecorder } from "../../../src/kube/kube-event-recorder.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const subject = { kind: ipPoolKind, name: "main", uid: "u" };
const events = "/apis/events.k8s.io/v1/namespaces/default/events";

interface EventBody {
  readonly metadata?: { readonly name: string; readonly namespace: string };
  readonly note?: string;
  readonly series?: { readonly count: number };
}

function recorder(respond: (request: string, body: EventBody) => unknown = () => ({})) {
  const bodies: EventBody[] = [];
  const logged: string[] = [];
  const clock = testClock();
  const client = stubClient((request, body) => {
    bodies.push(body as EventBody);
    return respond(request, body as EventBody);
  });
  const log = (_: unknown, text?: string) => void logged.push(text ?? "");
  const logger = { debug: log, info: log, warn: log, error: log };
  return {
    events: new KubeEventRecorder({ client, clock, logger, controller: "margay.io/controllers", instance: "me" }),
    client,
    clock,
    bodies,
    logged,
  };
}

test("an event says everything that the API server asks for", async () => {
  const world = recorder();
  world.events.record({ kind: podKind, namespace: "shop", name: "web-0" }, "Warning", "Reason", "what happened");
  world.events.record(subject, "Normal", "Reason", "what happened");
  await world.events.settled();
  expect(world.client.sent).toEqual(["POST /apis/events.k8s.io/v1/namespaces/shop/events", `POST ${events}`]);
  expect(world.bodies[1]).toEqual({
    ...{ apiVersion: "events.k8s.io/v1", kind: "Event", type: "Normal", reason: "Reason", action: "Reason" },
    metadata: { name: expect.stringMatching(/^main\.[0-9a-f]+$/), namespace: "default" },
    regarding: { apiVersion: "projectcalico.org/v3", kind: "IPPool", name: "main", namespace: undefined, uid: "u" },
    ...{ note: "what happened", eventTime: "1970-01-01T00:00:00.000000Z" },
    ...{ reportingController: "margay.io/controllers", reportingInstance: "me" },
  });
  expect(world.bodies[0]).toMatchObject({ regarding: { namespace: "shop" } });
});

test("the same again is counted, at most once a minute, and after a silence told anew", async () => {
  const world = recorder();
  const say = async (times: number) => {
    for (let time = 0; time < times; time++) world.events.record(subject, "Normal", "Reason", "again");
    await world.events.settled();
    return world.bodies.splice(0).map((body) => body.series?.count);
  };
  expect(await say(1)).toEqual([undefined]);
  expect(await say(5)).toEqual([6]);
  world.clock.pass(60_000);
  expect(await say(5)).toEqual([11]);
  world.clock.pass(600_000);
  expect(await say(1)).toEqual([undefined]);
  world.events.record(subject, "Normal", "Reason", "something else");
  world.events.record({ ...subject, uid: "v" }, "Normal", "Reason", "again");
  await world.events.settled();
  expect(world.bodies.map((body) => body.series)).toEqual([undefined, undefined]);
});

test("an event that has expired on the API server is made anew", async () => {
  const world = recorder((request) => {
    if (request.startsWith("PATCH")) throw new KubeError("change", 404, "NotFound", "gone");
    return {};
  });
  for (let time = 0; time < 2; time++) world.events.record(subject, "Normal", "Reason", "again");
  await world.events.settled();
  expect(world.client.sent.map((request) => request.split(" ")[0])).toEqual(["POST", "PATCH", "POST"]);
});

test("a failure is logged, and stops nothing", async () => {
  let failures = 1;
  const world = recorder(() => {
    if (failures-- > 0) throw new Error("no answer");
    return {};
  });
  world.events.record(subject, "Normal", "First", "lost");
  world.events.record(subject, "Normal", "Second", "written");
  await world.events.settled();
  expect(world.logged).toEqual(["cannot write an event"]);
  expect(world.bodies.map((body) => body.note)).toEqual(["lost", "written"]);
});

test("memory is bounded: what waits too long in line is dropped and logged", async () => {
  const gate = Promise.withResolvers<object>();
  const world = recorder(() => gate.promise);
  for (let number = 0; number < 150; number++) world.events.record(subject, "Normal", "Reason", `remark ${number}`);
  gate.resolve({});
  await world.events.settled();
  expect(world.bodies).toHaveLength(100);
  expect(world.logged).toHaveLength(50);
});

test("a remark among a thousand others is forgotten, and told anew", async () => {
  const world = recorder();
  const say = async (message: string) => {
    world.events.record(subject, "Normal", "Reason", message);
    await world.events.settled();
  };
  await say("first");
  for (let number = 0; number < 1000; number++) await say(`remark ${number}`);
  await say("first");
  expect(world.client.sent.every((request) => request.startsWith("POST"))).toBe(true);
});

test.each([
  ["ü".repeat(600), 1024],
  ["😀".repeat(600), 1024],
  ["a".repeat(1025), 1024],
])("a long note is cut to what the API server takes, between characters", async (message, most) => {
  const world = recorder();
  world.events.record(subject, "Normal", "Reason", message);
  await world.events.settled();
  const note = world.bodies[0]?.note ?? "";
  expect(new TextEncoder().encode(note).length).toBeLessThanOrEqual(most);
  expect(new TextEncoder().encode(note).length).toBeGreaterThan(most - 12);
  expect(note).toMatch(/[^\uFFFD]…$/u);
});

test("an event of a long name has a name of its own that is valid", async () => {
  const world = recorder();
  const name = `${"a".repeat(199)}.${"b".repeat(53)}`;
  world.events.record({ ...subject, name }, "Normal", "Reason", "x");
  await world.events.settled();
  expect(world.bodies[0]?.metadata?.name).toMatch(/^a{199}\.[0-9a-f]+$/);
});

import { expect, test, vi } from "vitest";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import type { KubeObject } from "../../../src/kube/object-revisions.ts";
import { networkPolicyMessage } from "../../../src/kube/protobuf/core-messages.ts";
import { type ReflectorOptions, reflect } from "../../../src/kube/reflector.ts";
import { type Answer, json, refusal, scriptedServer, streamed } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";
import { encode, watchFrame } from "./protobuf/encode.ts";

/** Follows `/things` of a server that gives these answers in turn; `told` holds what arrived, as `+name@revision` or `-name`. */
async function follow(answers: readonly [Answer, ...Answer[]], options: Partial<ReflectorOptions> = {}) {
  const server = await scriptedServer(...answers);
  const clock = testClock();
  const client = new HttpsKubeClient({
    server: server.url,
    clock,
    credentials: async () => ({ headers: {}, tls: {} }),
  });
  const told: string[] = [];
  const troubles: unknown[] = [];
  const reflection = reflect(
    client,
    "/things",
    { clock, ...options },
    {
      changed: (changes) => {
        for (const { name, object } of changes)
          told.push(object ? `+${name}@${object.metadata.resourceVersion}` : `-${name}`);
      },
      trouble: (error) => troubles.push(error),
    },
  );
  return {
    ...{ server, told, troubles, clock, reflection },
    async [Symbol.asyncDispose]() {
      await reflection.stop();
      await server[Symbol.asyncDispose]();
    },
  };
}

function thing(name: string, resourceVersion: number): KubeObject {
  return { metadata: { name, resourceVersion: String(resourceVersion), uid: name } };
}

function event(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function bookmark(resourceVersion: number, end = false): string {
  const annotations = end ? { "k8s.io/initial-events-end": "true" } : {};
  return event("BOOKMARK", { metadata: { resourceVersion: String(resourceVersion), annotations } });
}

const expired = event("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" });
const noWatchList = refusal(422, "Invalid", "sendInitialEvents is forbidden for watch unless the feature gate is on");
/** The words of a server over Debian's etcd 3.4.23. */
const noProgress = event("ERROR", {
  kind: "Status",
  code: 500,
  reason: "InternalError",
  message:
    "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled",
});
const stay = streamed([], "stay");

function list(revision: number, names: readonly KubeObject[], more = ""): Answer {
  return json({ metadata: { resourceVersion: String(revision), continue: more }, items: names });
}

function revisionsAskedFor(requests: readonly string[]): readonly (string | null)[] {
  return requests.map((one) => new URLSearchParams(one.split("?")[1]).get("resourceVersion"));
}

test("a server with watch-list streaming is asked once, for everything and what follows", async () => {
  const initial = [event("ADDED", thing("a", 1)), event("ADDED", thing("b", 2)), bookmark(5, true)];
  const later = [event("MODIFIED", thing("a", 6)), event("DELETED", thing("b", 7))];
  await using followed = await follow([streamed([...initial, ...later], "stay")]);
  await followed.reflection.synced;
  await vi.waitFor(() => expect(followed.told).toEqual(["+a@1", "+b@2", "+a@6", "-b"]));
  expect(followed.server.requests).toHaveLength(1);
  const query = new URLSearchParams(followed.server.requests[0]?.split("?")[1]);
  expect(Object.fromEntries(query)).toMatchObject({
    ...{ watch: "true", sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan", allowWatchBookmarks: "true" },
    timeoutSeconds: "450",
  });
});

test.each([
  ["refuses the parameter", noWatchList],
  ["refuses it within the stream", streamed([noProgress], "end")],
  ["does not know the parameter", streamed([event("ADDED", thing("a", 1)), bookmark(5)], "stay")],
])("a server that %s is listed by pages, then watched from there", async (_, first) => {
  const pages = [list(9, [thing("a", 1)], "more"), list(9, [thing("b", 2)])] as const;
  await using followed = await follow([first, ...pages, streamed([event("ADDED", thing("c", 10))], "stay")]);
  await followed.reflection.synced;
  await vi.waitFor(() => expect(followed.told).toEqual(["+a@1", "+b@2", "+c@10"]));
  expect(followed.server.requests[2]).toContain("continue=more");
  expect(revisionsAskedFor(followed.server.requests).at(-1)).toBe("9");
  expect(followed.troubles).toEqual([]);
});

test("nothing counts as gone, and nothing as synced, before the end of the first reading", async () => {
  const half = streamed([event("ADDED", thing("a", 1))], "cut");
  await using followed = await follow([half, streamed([event("ADDED", thing("b", 2)), bookmark(5, true)], "stay")]);
  await followed.reflection.synced;
  expect(followed.told).toEqual(["+a@1", "+b@2", "-a"]);
});

test("a watch cut within an event goes on from the last whole one", async () => {
  const first = streamed(
    [event("ADDED", thing("a", 1)), bookmark(5, true), event("ADDED", thing("b", 6)), '{"type":"DEL'],
    "cut",
  );
  await using followed = await follow([first, streamed([event("DELETED", thing("a", 7))], "stay")]);
  await vi.waitFor(() => expect(followed.told).toEqual(["+a@1", "+b@6", "-a"]));
  expect(revisionsAskedFor(followed.server.requests)).toEqual([null, "6"]);
  expect(followed.troubles).toMatchObject([{ name: "KubeUnreachableError" }]);
});

test("a bookmark moves the place to go on from", async () => {
  const first = streamed([bookmark(5, true), bookmark(90)], "end");
  await using followed = await follow([first, stay]);
  await vi.waitFor(() => expect(revisionsAskedFor(followed.server.requests)).toEqual([null, "90"]));
});

test("a line that is no event is trouble, and the watch goes on from where it was", async () => {
  await using followed = await follow([
    streamed([bookmark(5, true), "<html>\n", event("ADDED", thing("a", 6))], "stay"),
    stay,
  ]);
  await vi.waitFor(() => expect(revisionsAskedFor(followed.server.requests)).toEqual([null, "5"]));
  expect(followed.told).toEqual([]);
  expect(String(followed.troubles)).toContain("Cannot watch /things: a line is not JSON: <html>");
});

test("after an expired watch all is read anew, and only differences are told", async () => {
  const before = [thing("same", 1), thing("changed", 2), thing("gone", 3)].map((one) => event("ADDED", one));
  const after = [thing("same", 1), thing("changed", 12), thing("new", 13)].map((one) => event("ADDED", one));
  await using followed = await follow([
    streamed([...before, bookmark(5, true)], "end"),
    streamed([expired], "end"),
    streamed([...after, bookmark(20, true)], "stay"),
  ]);
  await vi.waitFor(() => expect(followed.told.slice(3)).toEqual(["+changed@12", "+new@13", "-gone"]));
  expect(revisionsAskedFor(followed.server.requests)).toEqual([null, "5", null]);
  expect(followed.troubles).toEqual([]);
});

test("a list whose pages expire halfway is begun again", async () => {
  const again = list(30, [thing("b", 2)]);
  await using followed = await follow([
    noWatchList,
    list(9, [thing("a", 1)], "more"),
    refusal(410, "Expired"),
    again,
    stay,
  ]);
  await followed.reflection.synced;
  expect(followed.told).toEqual(["+a@1", "+b@2", "-a"]);
  expect(followed.server.requests[3]).not.toContain("continue");
});

test("a server that fails is asked ever less, up to the limit", async () => {
  await using followed = await follow([refusal(500, "InternalError")]);
  await vi.waitFor(() => expect(followed.clock.slept.length).toBeGreaterThan(7));
  expect(followed.clock.slept.slice(0, 8)).toEqual([375, 750, 1500, 3000, 6000, 11_250, 11_250, 11_250]);
  expect(followed.troubles[0]).toMatchObject({ status: 500 });
});

test("a server that ends each watch at once is asked ever less too, though events arrive", async () => {
  let revision = 5;
  const short: Answer = (...one) => streamed([event("ADDED", thing("a", ++revision))], "end")(...one);
  await using followed = await follow([streamed([bookmark(5, true)], "end"), short]);
  await vi.waitFor(() => expect(followed.clock.slept.length).toBeGreaterThan(3));
  expect(followed.clock.slept.slice(0, 4)).toEqual([375, 750, 1500, 3000]);
});

test("a watch that lived long is taken up again at once", async () => {
  let clock: ReturnType<typeof testClock> | undefined;
  const long: Answer = (...one) => {
    clock?.pass(400_000);
    streamed([bookmark(5, true)], "end")(...one);
  };
  await using followed = await follow([(response, ...rest) => setTimeout(() => long(response, ...rest), 5), stay]);
  clock = followed.clock;
  await vi.waitFor(() => expect(followed.server.requests).toHaveLength(2));
  expect(followed.clock.slept).toEqual([]);
});

test("a peer that fell silent is given up long after the watch should have ended", async () => {
  await using followed = await follow([streamed([bookmark(5, true)], "stay"), stay]);
  await followed.reflection.synced;
  followed.clock.wake();
  await vi.waitFor(() => expect(followed.server.requests).toHaveLength(2));
  expect(String(followed.troubles)).toContain("fell silent");
});

test("the going of an object that was never told of is not told either", async () => {
  const events = [event("DELETED", thing("unknown", 6)), event("ADDED", thing("a", 7))];
  await using followed = await follow([streamed([bookmark(5, true), ...events], "stay")]);
  await vi.waitFor(() => expect(followed.told).toEqual(["+a@7"]));
});

test("nothing is told after stop, though it has arrived, and stop ends", async () => {
  const lines = Array.from({ length: 100 }, (_, index) => event("ADDED", thing(`t${index}`, 10 + index)));
  await using server = await scriptedServer(streamed([[bookmark(5, true), ...lines].join("")], "stay"));
  const clock = testClock();
  const client = new HttpsKubeClient({
    server: server.url,
    clock,
    credentials: async () => ({ headers: {}, tls: {} }),
  });
  const told: string[] = [];
  const stopped = Promise.withResolvers<void>();
  const reflection = reflect(
    client,
    "/things",
    { clock },
    {
      changed: (changes) => {
        told.push(...changes.map(({ name }) => name));
        stopped.resolve(reflection.stop());
      },
      trouble: (error) => told.push(String(error)),
    },
  );
  await stopped.promise;
  expect(told).toEqual(["t0"]);
});

test("what protobuf does not make clear is asked for as JSON, and nothing is told twice or lost", async () => {
  const object = (name: string, ...more: readonly (readonly [number, Buffer])[]) => {
    const metadata = encode([
      [1, name],
      [5, name],
      [6, "5"],
    ]);
    return encode([[1, metadata], ...more]);
  };
  const newerSpec = encode([[9, ""]]);
  const frames = [object("a"), object("b", [2, newerSpec])].map((one) => watchFrame("ADDED", "NetworkPolicy", one));
  const asked: (string | undefined)[] = [];
  const binary: Answer = (response, request) => {
    asked.push(request.headers.accept);
    response.writeHead(200, { "content-type": "application/vnd.kubernetes.protobuf;stream=watch" });
    response.write(Buffer.concat(frames));
  };
  const text: Answer = (response, request, body) => {
    asked.push(request.headers.accept);
    const events = [event("ADDED", thing("a", 5)), event("ADDED", thing("b", 5)), bookmark(5, true)];
    streamed(events, "stay")(response, request, body);
  };
  await using followed = await follow([binary, text], { message: networkPolicyMessage });
  await followed.reflection.synced;
  expect(asked).toEqual(["application/vnd.kubernetes.protobuf,application/json", "application/json"]);
  expect(followed.told).toEqual(["+a@5", "+b@5"]);
  expect(followed.troubles).toEqual([]);
});

import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { SecretFollower } from "../../../../src/agent/bgp/secret-follower.ts";
import { type KubeClient, KubeError } from "../../../../src/kube/client.ts";
import { stubClient } from "../../../fakes/stub-client.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { clusterSnapshot, nodeName } from "../../bgp/cluster.ts";

const value = Buffer.from("the-password").toString("base64");
const refused = (why: string) => new KubeError("watch", 503, "ServiceUnavailable", why);

test.each([
  ["a line that is cut short", `{"type":"ADDED","object":{"metadata":{"name":"a"},"data":{"b":"${value}"`],
  ["a line that is no event", `{"type":"ODD","object":{"metadata":{"name":"a"},"data":{"b":"${value}"}}}`],
])("%s is not quoted in the log", async (_, line) => {
  const log = await logOf(3, async function* () {
    yield [line];
  });
  expect(log).toHaveLength(1);
  expect(log[0]).toContain("cannot follow a Secret");
  expect(log[0]).not.toContain(value);
});

test("an answer that is not JSON is not quoted in the log; a refusal is", async () => {
  const notJson = new KubeError("watch", 200, "NotJson", `the answer is not JSON: {"data":{"b":"${value}"`);
  expect((await logOf(3, () => failing(notJson))).join("")).not.toContain(value);
  expect((await logOf(3, () => failing(refused("etcd is away")))).join("")).toContain("etcd is away");
});

test("a trouble that stays is logged once, and again after the server has answered", async () => {
  expect(await logOf(9, () => failing(refused("not now")))).toHaveLength(1);
  const once = await logOf(9, (call, options) => {
    if (call === 5) options?.onAnswer?.();
    return failing(refused("not now"));
  });
  expect(once).toHaveLength(2);
});

test("a Secret that is on its way is waited for so long at most, and no longer than the follower lives", async () => {
  const { follower } = follow(() => failing(refused("not now")));
  await follower.known(3_000);
  expect([...follower.secrets]).toEqual([]);
  const waiting = follower.known(Number.POSITIVE_INFINITY);
  await follower.stop();
  await waiting;
  expect([...follower.secrets]).toEqual([]);
});

// --- internal ---

type Stream = (call: number, options: Parameters<KubeClient["stream"]>[1]) => ReturnType<KubeClient["stream"]>;

/** What is logged while the API server answers so many watches of a Secret like this. */
async function logOf(calls: number, stream: Stream): Promise<readonly string[]> {
  let called = 0;
  const { follower, log } = follow((_, options) => stream(++called, options));
  await vi.waitFor(() => expect(called).toBeGreaterThanOrEqual(calls));
  await follower.stop();
  return log;
}

/** A follower whose node has one BGPPeer with a password. */
function follow(stream: Stream) {
  const password = { secretKeyRef: { name: "a", key: "b" } };
  const peers = { tor: { peerIP: "10.0.0.1", asNumber: 64513, password } };
  const log: string[] = [];
  const client: KubeClient = {
    ...stubClient(() => expect.fail("nothing but watches is asked for")),
    stream: (_path, options) => stream(0, options),
  };
  const follower = new SecretFollower({
    ...{ node: nodeName("node-1"), snapshot: clusterSnapshot({ nodes: { "node-1": { ips: ["172.18.1.2"] } }, peers }) },
    ...{ client, clock: testClock(), onChange: () => undefined },
    logger: pino({ level: "trace" }, { write: (line: string) => void log.push(line) }) as never,
  });
  follower.begin();
  return { follower, log };
}

// biome-ignore lint/correctness/useYield: it fails before there is anything to yield.
async function* failing(error: Error): ReturnType<KubeClient["stream"]> {
  throw error;
}

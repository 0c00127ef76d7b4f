import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { LeaderElection } from "../../../src/controllers/leader-election.ts";
import { type KubeClient, KubeError, KubeUnreachableError } from "../../../src/kube/client.ts";
import type { Clock } from "../../../src/net/clock.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const times = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

test("one of several leads, and another when it ends", async () => {
  const world = new World();
  const [a, b] = [world.contend("a"), world.contend("b")];
  await world.advance(60_000);
  expect([a.leads, b.leads].filter(Boolean)).toHaveLength(1);
  const [first, second] = a.leads ? [a, b] : [b, a];
  await first.stop();
  // The Lease was given up: nobody waits for it to run out.
  await world.advance(3_000);
  expect([first.leads, second.leads]).toEqual([false, true]);
  expect(world.lease?.spec).toMatchObject({ holderIdentity: second.name, leaseTransitions: 1 });
  await second.stop();
  expect(world.most).toBe(1);
});

test("who cannot renew stops before another begins", async () => {
  const world = new World();
  const a = world.contend("a");
  await world.advance(5_000);
  const b = world.contend("b");
  a.reach = "nothing";
  const ends = await world.until(() => !a.leads);
  const begins = await world.until(() => b.leads);
  expect(begins - ends).toBeGreaterThan(0);
  expect(world.most).toBe(1);
  // It comes back and stands by.
  a.reach = "everything";
  await world.advance(30_000);
  expect([a.leads, b.leads]).toEqual([false, true]);
  await Promise.all([a.stop(), b.stop()]);
});

test("an answer that never comes costs the leadership", async () => {
  const world = new World();
  const a = world.contend("a");
  await world.advance(5_000);
  a.reach = "no answer";
  const since = world.now();
  expect((await world.until(() => !a.leads)) - since).toBeLessThanOrEqual(times.renewMs);
  await a.stop();
});

test("a renewal whose answer is lost does not lengthen the leadership", async () => {
  const world = new World();
  const a = world.contend("a");
  await world.advance(5_000);
  const b = world.contend("b");
  a.reach = "answers are lost";
  await world.until(() => !a.leads);
  a.reach = "nothing";
  await world.until(() => b.leads);
  expect(world.most).toBe(1);
  await Promise.all([a.stop(), b.stop()]);
});

test("a leader that finds another's name in the Lease stops at once", async () => {
  const world = new World();
  const a = world.contend("a");
  await world.advance(5_000);
  world.write({ ...world.lease?.spec, holderIdentity: "b" });
  await world.advance(3_000);
  expect(a.leads).toBe(false);
  await a.stop();
});

test("a holder's clock is not believed", async () => {
  const world = new World();
  world.write({ holderIdentity: "old", renewTime: "2100-01-01T00:00:00.000000Z", leaseDurationSeconds: 15 });
  const a = world.contend("a");
  await world.advance(14_000);
  expect(a.leads).toBe(false);
  await world.advance(6_000);
  expect(a.leads).toBe(true);
  expect(world.lease?.spec).toMatchObject({ renewTime: expect.stringMatching(/^1970-01-01T00:00:\d\d\.\d{6}Z$/) });
  await a.stop();
});

test("who leads and who stands by sees the Lease; who gets no answer, or cannot end its work, is blind", async () => {
  const world = new World();
  const ending = Promise.withResolvers<void>();
  const a = world.contend("a", () => ending.promise);
  await world.advance(5_000);
  const b = world.contend("b");
  await world.advance(60_000);
  for (const { election } of [a, b]) expect(election.blindMs).toBeLessThan(5_000);
  b.reach = "nothing";
  await world.advance(60_000);
  expect(b.election.blindMs).toBeGreaterThan(55_000);
  b.reach = "everything";
  a.reach = "nothing";
  await world.advance(20_000);
  a.reach = "everything";
  await world.advance(60_000);
  expect([a.election.blindMs > 60_000, b.election.blindMs < 5_000]).toEqual([true, true]);
  ending.resolve();
  await world.advance(5_000);
  expect(a.election.blindMs).toBeLessThan(5_000);
  await Promise.all([a.stop(), b.stop()]);
});

test("work that fails is no leadership: it is contended for anew", async () => {
  const world = new World();
  const a = world.contend("a", () => Promise.reject(new Error("out of order")));
  await world.advance(10_000);
  expect(a.begun).toBeGreaterThan(1);
  await a.stop();
});

// --- internal ---

interface LeaseJson {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

type Reach = "everything" | "nothing" | "no answer" | "answers are lost";

/** One Lease behind an API server, virtual time, and contenders. */
class World implements Clock {
  lease: LeaseJson | undefined;
  nowMs = 0;
  /** The most that ever led at one time. */
  most = 0;
  #leading = 0;
  #version = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now = () => this.nowMs;
  monotonicNow = () => this.nowMs;
  random = () => 0.5;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { at: this.nowMs + ms, wake: resolve };
    this.#sleepers.push(sleeper);
    const abort = () => {
      this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
      reject(new Error("aborted"));
    };
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    return promise;
  };

  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#sleepers = this.#sleepers.filter((one) => one !== next);
      this.nowMs = next.at;
      next.wake();
      await settle();
    }
    this.nowMs = end;
  }

  /** Answers when it came to hold. */
  async until(holds: () => boolean): Promise<number> {
    for (let step = 0; step < 600; step++) {
      if (holds()) return this.nowMs;
      await this.advance(100);
    }
    throw new Error("it has not come to hold in a minute");
  }

  write(spec: LeaseJson["spec"]): void {
    this.lease = { metadata: { resourceVersion: String(++this.#version) }, spec };
  }

  contend(name: string, work: (signal: AbortSignal) => Promise<void> = untilAborted) {
    const end = new AbortController();
    const contender = {
      ...{ name, leads: false, begun: 0, reach: "everything" as Reach },
      stop: async () => {
        end.abort();
        await this.advance(0);
        await running;
      },
    };
    const client = this.#clientOf(contender);
    const options = { client, clock: this as Clock, logger: silent, name: "margay-controllers", identity: name, times };
    const election = new LeaderElection(options);
    const running = election.run(async (signal) => {
      contender.begun++;
      contender.leads = true;
      this.most = Math.max(this.most, ++this.#leading);
      try {
        await work(signal);
      } finally {
        contender.leads = false;
        this.#leading--;
      }
    }, end.signal);
    return Object.assign(contender, { election });
  }

  #clientOf(contender: { readonly reach: Reach }): KubeClient {
    const request = async (method: string, _path: string, { body }: { readonly body?: LeaseJson } = {}) => {
      const { reach } = contender;
      if (reach === "nothing") throw new KubeUnreachableError("reach", "server", "cut");
      if (reach === "no answer") return new Promise(() => {});
      await tick();
      const answer = this.#serve(method, body);
      if (reach === "answers are lost" && method !== "GET") throw new KubeUnreachableError("write", "server", "cut");
      return answer;
    };
    return { request } as unknown as KubeClient;
  }

  #serve(method: string, body: LeaseJson | undefined): LeaseJson {
    const refuse = (status: number, reason: string) => new KubeError("ask", status, reason, reason);
    if (method === "GET") {
      if (this.lease === undefined) throw refuse(404, "NotFound");
      return this.lease;
    }
    const isStale = body?.metadata.resourceVersion !== this.lease?.metadata.resourceVersion;
    if (body === undefined || isStale) throw refuse(409, "Conflict");
    this.write(body.spec);
    return this.lease as LeaseJson;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await tick();
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

import { beforeEach, expect, test, vi } from "vitest";
import { Drain } from "../../../../src/agent/bgp/drain.ts";
import type { AttachmentKey, Labels, Node } from "../../../../src/api/objects.ts";
import type { Snapshot } from "../../../../src/api/snapshot.ts";
import { drainAnnotation, drainStatusAnnotation, parseDrainStatus } from "../../../../src/bgp/plan/drain.ts";
import { clusterSnapshot, nodeName } from "../../bgp/cluster.ts";

const name = nodeName("node-1");
const asked = "2026-11-22T09:00:00Z wait=30s";

/** A machine whose Node, file, pods and clock a test changes. */
class Bench {
  readonly snapshot: Snapshot = {
    ...clusterSnapshot({ nodes: { "node-1": { ips: ["172.18.1.2"] } }, attached: ["10.244.1.5"] }),
  };
  file: string | undefined;
  now = 1_000_000;
  status: string | undefined;
  changes = 0;
  readonly #sleeps: { readonly until: number; readonly resolve: () => void }[] = [];
  drain = this.agent();

  /** One that starts anew, on what an earlier one has left. */
  agent(): Drain {
    const clock = {
      now: () => this.now,
      monotonicNow: () => this.now,
      random: () => 0.5,
      sleep: (ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve, reject) => {
          this.#sleeps.push({ until: this.now + ms, resolve });
          signal?.addEventListener("abort", () => reject(signal.reason));
        }),
    };
    return new Drain({
      ...{ node: name, snapshot: this.snapshot, clock, file: "/run/drain" },
      host: { readFile: async () => this.file },
      annotate: (annotation, value) => {
        expect(annotation).toBe(drainStatusAnnotation);
        this.status = value;
      },
      onChange: () => this.changes++,
      logger: { info: () => undefined, warn: () => undefined },
    });
  }

  get state() {
    return this.drain.state;
  }

  node(change: Pick<Node, "annotations"> | Pick<Node, "unschedulable">): void {
    const { unschedulable: _, ...self } = this.snapshot.node.get(name) as Node;
    (this.snapshot.node as Map<typeof name, Node>).set(name, { ...self, ...change });
    this.drain.touched(new Set(["node"]));
  }

  ask(text: string | undefined, more: Labels = {}): void {
    this.node({ annotations: { ...more, ...(text === undefined ? {} : { [drainAnnotation]: text }) } });
  }

  podsGo(): void {
    (this.snapshot.attachment as Map<AttachmentKey, unknown>).clear();
    this.drain.touched(new Set(["attachment"]));
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const { until, resolve } of this.#sleeps) if (until <= this.now) resolve();
    await vi.waitFor(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let bench: Bench;
beforeEach(async () => {
  bench = new Bench();
  await bench.drain.start();
  return () => bench.drain.stop();
});

const [announced, services] = [
  { isDraining: true, withdrawn: "nothing" },
  { isDraining: true, withdrawn: "services" },
] as const;

test("cordoned, the node is the last choice, and uncordoned as before; its Node is told nothing", () => {
  bench.node({ unschedulable: true });
  expect(bench.state).toEqual(announced);
  bench.node({});
  expect(bench.state).toEqual({ isDraining: false, withdrawn: "nothing" });
  expect([bench.changes, bench.status]).toEqual([2, undefined]);
});

test("asked to drain, it waits from when BIRD has taken it, withdraws Services, and the rest when the last pod has gone", async () => {
  bench.ask(asked);
  expect(bench.state).toEqual(announced);
  // BIRD does not run, say.
  await bench.pass(60_000);
  expect(bench.state).toEqual(announced);
  bench.drain.applied(false);
  await bench.pass(60_000);
  bench.drain.applied(true);
  expect(parseDrainStatus(bench.status)).toMatchObject({ state: "announced", request: "2026-11-22T09:00:00Z" });
  await bench.pass(29_000);
  bench.drain.applied(true);
  expect(bench.state).toEqual(announced);
  await bench.pass(1_000);
  expect(bench.state).toEqual(services);
  expect(parseDrainStatus(bench.status)?.state).toBe("services withdrawn");
  bench.podsGo();
  expect(bench.state).toEqual({ isDraining: true, withdrawn: "everything" });
  expect(parseDrainStatus(bench.status)?.state).toBe("withdrawn");
});

test("taken back, everything is announced at once; asked again, it waits again", async () => {
  bench.ask(asked);
  bench.drain.applied(true);
  await bench.pass(30_000);
  bench.ask(undefined);
  expect([bench.state.isDraining, bench.state.withdrawn, bench.status]).toEqual([false, "nothing", undefined]);
  // In the same words, as a person may.
  bench.ask(asked);
  bench.drain.applied(true);
  expect(bench.state).toEqual(announced);
});

test("an agent that starts anew goes on where the last one was, and with no request it takes the status away", async () => {
  bench.ask(asked);
  bench.drain.applied(true);
  await bench.pass(31_000);
  const status = bench.status ?? "";
  bench.drain.stop();
  bench.ask(asked, { [drainStatusAnnotation]: status });
  bench.drain = bench.agent();
  await bench.drain.start();
  expect(bench.state).toEqual(services);
  bench.drain.stop();
  bench.ask(undefined, { [drainStatusAnnotation]: status });
  bench.drain = bench.agent();
  await bench.drain.start();
  expect([bench.state.isDraining, bench.status]).toEqual([false, undefined]);
});

test("a clock that was set back makes it wait anew, and not for years", async () => {
  const status = JSON.stringify({ state: "announced", request: "2026-11-22T09:00:00Z", since: "2030-01-01T00:00:00Z" });
  bench.drain.stop();
  bench.ask(asked, { [drainStatusAnnotation]: status });
  bench.drain = bench.agent();
  await bench.drain.start();
  expect(bench.state).toEqual(announced);
  await bench.pass(30_000);
  expect(bench.state).toEqual(services);
});

test("the machine itself can ask, with no API server, and take it back", async () => {
  bench.file = "now wait=5s\n";
  await bench.pass(1_000);
  expect(bench.state).toEqual(announced);
  bench.drain.applied(true);
  await bench.pass(5_000);
  expect(bench.state).toEqual(services);
  bench.file = undefined;
  await bench.pass(1_000);
  expect(bench.state.isDraining).toBe(false);
});

import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { Felix } from "../../../src/agent/felix.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { NodeCalculator } from "../../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../../src/felix/dataplane/dataplane.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { systemClock } from "../../../src/host/clock.ts";

const nothing = async () => undefined;
const noDrift = async () => [];
const forget = () => undefined;

const pool = (natOutgoing: boolean): Change => {
  const value = parseIpPool({ metadata: { name: "pool" }, spec: { cidr: "10.0.0.0/16", natOutgoing } });
  return { kind: "ipPool", key: "pool", value };
};

/** A Felix whose every sleep ends when the test says so, and what it did. */
function world() {
  const calls: string[] = [];
  const sleeps: (() => void)[] = [];
  const state = { fails: false, podsToCome: 0, under: Promise.resolve() };
  const felix = new Felix({
    calculator: new NodeCalculator("node-1" as NodeName),
    dataplane: new Dataplane({
      rules: {
        apply: async () => {
          await state.under;
          if (state.fails) throw new Error("refused");
          calls.push("apply");
        },
        prune: async () => {
          calls.push("tidy");
          return ["a set"];
        },
        faultsOf: async () => [],
        drift: noDrift,
        forget,
      },
      routes: { upsert: nothing, prune: nothing, drift: noDrift, forget },
      shapings: { upsert: nothing, prune: nothing, forget },
    }),
    renderOptions: defaultRenderOptions,
    clock: {
      ...systemClock,
      sleep: (_ms, signal) =>
        new Promise((resolve, reject) => {
          sleeps.push(resolve);
          signal?.addEventListener("abort", () => {
            sleeps.splice(sleeps.indexOf(resolve), 1);
            reject(signal.reason);
          });
        }),
    },
    logger: pino({ level: "silent" }),
    podsToCome: () => state.podsToCome,
  });
  const wake = async () => {
    for (const end of sleeps.splice(0)) end();
    await nextTurn();
  };
  return { felix, calls, sleeps, state, wake };
}

test("changes do not wait for what is taken away: it goes once none has come for a while", async () => {
  const { felix, calls, wake } = world();
  await felix.begin();
  for (let round = 0; round < 5; round++) {
    await felix.apply([pool(round % 2 === 0)]);
    await felix.apply([]);
  }
  expect(calls.splice(0)).toEqual(Array.from({ length: 6 }, () => "apply"));
  // Changes have come since the wait has begun.
  await wake();
  expect(calls).toEqual([]);
  await wake();
  expect(calls).toEqual(["tidy"]);
  felix.stop();
  await felix.ended();
});

test("what is still in use is waited for once, however many passes come, and not beyond the end", async () => {
  const { felix, sleeps, calls, wake } = world();
  await felix.begin();
  for (let round = 0; round < 5; round++) {
    await felix.apply([pool(round % 2 === 0)]);
    await wake();
    await wake();
    expect(sleeps).toHaveLength(1);
  }
  expect(calls.filter((call) => call === "tidy").length).toBeGreaterThan(4);
  felix.stop();
  await felix.ended();
  await nextTurn();
  expect(sleeps).toHaveLength(0);
});

test("nothing is taken away after a pass that failed, and all the same after the next one", async () => {
  const { felix, calls, state, wake } = world();
  await felix.begin();
  state.fails = true;
  const applied = felix.apply([pool(true)]);
  await nextTurn();
  for (let count = 0; count < 3; count++) await wake();
  expect(calls).toEqual(["apply"]);
  state.fails = false;
  await wake();
  await applied;
  await nextTurn();
  expect(calls.slice(0, 3)).toEqual(["apply", "apply", "tidy"]);
  felix.stop();
  await felix.ended();
});

test("a pass waits for pods that are being wired, while they are several, and not for long", async () => {
  const { felix, calls, state, wake } = world();
  await felix.begin();
  calls.splice(0);
  const wakesUntilApplied = async (isOn: boolean) => {
    const applied = felix.apply([pool(isOn)]);
    let wakes = 0;
    for (; !calls.includes("apply") && wakes < 20; wakes++) await wake();
    await applied;
    calls.splice(0);
    return wakes;
  };
  state.podsToCome = 3;
  await felix.apply([pool(false)]);
  expect(calls.splice(0)).toEqual(["apply"]);
  state.podsToCome = 4;
  // Of 5 ms each.
  expect(await wakesUntilApplied(true)).toBe(6);
  const waiting = felix.apply([pool(false)]);
  await wake();
  expect(calls).not.toContain("apply");
  state.podsToCome = 0;
  await wake();
  expect(calls).toContain("apply");
  await waiting;
  felix.stop();
});

test("where none is being wired, a pass waits when several want it, and less long", async () => {
  const { felix, state, wake } = world();
  await felix.begin();
  const wakesUntilApplied = async (requests: number, isOn: boolean) => {
    const { promise, resolve: end } = Promise.withResolvers<void>();
    state.under = promise;
    const first = felix.apply([pool(isOn)]);
    await nextTurn();
    let isApplied = false;
    const applied = Promise.all(Array.from({ length: requests }, () => felix.apply([]))).then(() => {
      isApplied = true;
    });
    end();
    await first;
    await nextTurn();
    let wakes = 0;
    for (; !isApplied && wakes < 20; wakes++) await wake();
    await applied;
    return wakes;
  };
  expect(await wakesUntilApplied(3, true)).toBe(0);
  // Of 5 ms each.
  expect(await wakesUntilApplied(4, false)).toBe(3);
  felix.stop();
});

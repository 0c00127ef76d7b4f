import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { DriftProof } from "../../../src/agent/drift-proof.ts";
import { Felix } from "../../../src/agent/felix.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { NodeCalculator } from "../../../src/felix/calc/node-calculator.ts";
import { Dataplane, type Drift } from "../../../src/felix/dataplane/dataplane.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { systemClock } from "../../../src/host/clock.ts";

const gone = (where: string): Drift => ({ part: "rules", where, difference: "it is not there" });
const nothing = async () => undefined;

test("what an overtaken reading has found is told with the next that counts, once", async () => {
  const proof = new DriftProof(systemClock);
  const overtaken = await proof.take(async () => {
    await proof.write(nothing);
    return [gone("a"), gone("b")];
  }, false);
  expect(overtaken).toBeUndefined();
  expect(await proof.take(async () => [gone("b"), gone("c")], false)).toEqual([gone("a"), gone("b"), gone("c")]);
  expect(await proof.take(async () => [], true)).toEqual([]);
});

test("a reading that fails says so, unless it was overtaken", async () => {
  const proof = new DriftProof(systemClock);
  const failing = () => Promise.reject(new Error("no"));
  await expect(proof.take(failing, false)).rejects.toThrow("no");
  await expect(proof.take(failing, true)).rejects.toThrow("no");
  expect(await proof.take(() => proof.write(failing), false)).toBeUndefined();
  expect(await proof.take(async () => [], true)).toEqual([]);
});

test("a reading that never ends beside passes ends in a turn, and one that counts follows in it", async () => {
  const proof = new DriftProof(systemClock);
  let isOn = true;
  let passes = 0;
  const churn = (async () => {
    for (; isOn; passes++) {
      await nextTurn();
      await proof.pass(() => proof.write(() => nextTurn()));
    }
  })();
  const underWay: string[] = [];
  /** Begins anew whenever something was written. */
  const readAll = async () => {
    underWay.push("begins");
    for (let before = -1; before !== passes; ) {
      before = passes;
      for (let round = 0; round < 20; round++) await nextTurn();
    }
    underWay.push("ends");
    return [gone("a")];
  };
  expect(await proof.take(readAll, false)).toEqual([gone("a")]);
  expect(underWay).toEqual(["begins", "ends", "begins", "ends"]);
  const before = passes;
  await expect.poll(() => passes).toBeGreaterThan(before);
  isOn = false;
  await churn;
});

const pool = (natOutgoing: boolean): Change => {
  const value = parseIpPool({ metadata: { name: "pool" }, spec: { cidr: "10.0.0.0/16", natOutgoing } });
  return { kind: "ipPool", key: "pool", value };
};

/** With how often it has written, and readings that end when they are told to. */
async function begunFelix(clock = systemClock) {
  const counts = { applied: 0, readings: 0 };
  const end = Promise.withResolvers<readonly Drift[]>();
  const forget = () => undefined;
  const felix = new Felix({
    podsToCome: () => 0,
    calculator: new NodeCalculator("node-1" as NodeName),
    dataplane: new Dataplane({
      rules: {
        ...{ prune: async () => [], faultsOf: async () => [], forget },
        apply: async () => void counts.applied++,
        drift: () => {
          counts.readings++;
          return end.promise;
        },
      },
      routes: { upsert: nothing, prune: nothing, drift: async () => [], forget },
      shapings: { upsert: nothing, prune: nothing, forget },
    }),
    ...{ renderOptions: defaultRenderOptions, clock, logger: pino({ level: "silent" }) },
  });
  await felix.begin();
  await felix.apply([]);
  return { felix, counts, end };
}

const rules = new Set(["rules"] as const);
const settled = async () => {
  for (let round = 0; round < 20; round++) await nextTurn();
};

test("passes wait for a proof that insists, and go on when it has ended", async () => {
  const { felix, counts, end } = await begunFelix();
  const proof = felix.drift(rules, true);
  const applied = felix.apply([pool(true)]);
  await settled();
  expect(counts).toEqual({ applied: 1, readings: 1 });
  end.resolve([gone("a")]);
  expect(await proof).toEqual([gone("a")]);
  await applied;
  expect(counts.applied).toBe(2);
  felix.stop();
});

test("a proof that insists and fails holds nothing up", async () => {
  const { felix, counts, end } = await begunFelix();
  const proof = felix.drift(rules, true);
  const applied = felix.apply([pool(true)]);
  end.reject(new Error("no"));
  await expect(proof).rejects.toThrow("no");
  await applied;
  expect(counts.applied).toBe(2);
  felix.stop();
});

test("a reading that hangs is waited for some seconds, and then means nothing", async () => {
  const limit = Promise.withResolvers<void>();
  const { felix, counts, end } = await begunFelix({ ...systemClock, sleep: () => limit.promise });
  const proof = felix.drift(rules, true);
  const applied = felix.apply([pool(true)]);
  await settled();
  expect(counts.applied).toBe(1);
  limit.resolve();
  await applied;
  expect(counts.applied).toBe(2);
  end.resolve([]);
  expect(await proof).toBeUndefined();
  felix.stop();
});

test("stopped while a proof has its turn, it ends at once, and the pass that waited writes nothing", async () => {
  const { felix, counts, end } = await begunFelix();
  const proof = felix.drift(rules, true);
  const applied = felix.apply([pool(true)]);
  const next = felix.drift(rules, true);
  await settled();
  felix.stop();
  await expect(applied).rejects.toThrow("Cannot finish the pass");
  await felix.ended();
  expect(await next).toBeUndefined();
  end.resolve([]);
  expect(await proof).toEqual([]);
  await settled();
  expect(counts).toEqual({ applied: 1, readings: 1 });
});

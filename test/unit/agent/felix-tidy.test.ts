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

test("what is still in use is waited for once, however many passes come, and not beyond the end", async () => {
  let waiting = 0;
  const felix = new Felix({
    calculator: new NodeCalculator("node-1" as NodeName),
    dataplane: new Dataplane({
      rules: { apply: nothing, prune: async () => ["a set"], faultsOf: async () => [], drift: noDrift, forget },
      routes: { upsert: nothing, prune: nothing, drift: noDrift, forget },
      shapings: { upsert: nothing, prune: nothing, forget },
    }),
    renderOptions: defaultRenderOptions,
    clock: {
      ...systemClock,
      sleep: async (_ms, signal) => {
        waiting++;
        await systemClock.sleep(60_000, signal).finally(() => waiting--);
      },
    },
    logger: pino({ level: "silent" }),
  });
  await felix.begin();
  for (let round = 0; round < 5; round++) {
    await felix.apply([pool(round % 2 === 0)]);
    await felix.apply([]);
  }
  await nextTurn();
  expect(waiting).toBe(1);
  felix.stop();
  await felix.ended();
  await nextTurn();
  expect(waiting).toBe(0);
});

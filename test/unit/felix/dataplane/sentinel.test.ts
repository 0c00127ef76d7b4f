import { expect, test } from "vitest";
import type { DriftPart } from "../../../../src/felix/dataplane/dataplane.ts";
import { type Prover, Sentinel } from "../../../../src/felix/dataplane/sentinel.ts";
import { systemClock } from "../../../../src/host/clock.ts";

function prover(part: DriftPart, drift: Prover["drift"], repair: Prover["repair"] = async () => {}): Prover {
  return { parts: new Set([part]), drift, repair };
}

async function watching(provers: readonly Prover[]) {
  const repaired: string[] = [];
  const failures: string[] = [];
  const sentinel = new Sentinel({
    ...{ provers, partsOf: () => [], periodsMs: {}, clock: systemClock },
    onRepaired: ({ part }) => void repaired.push(part),
    onFailure: (error) => void failures.push((error as Error).message),
  });
  sentinel.start();
  return { sentinel, repaired, failures };
}

const difference = (part: DriftPart) => ({ part, where: "here", difference: "gone" });

test("one that fails keeps no other from being proven and put right", async () => {
  const found = [[difference("rules")], []];
  const broken = prover("links", () => Promise.reject(new Error("no links")));
  const { sentinel, repaired, failures } = await watching([broken, prover("rules", async () => found.shift() ?? [])]);
  await expect.poll(() => repaired).toEqual(["rules"]);
  expect(failures).toEqual(["no links"]);
  await sentinel.stop();
});

test("an answer that means nothing is asked for again, and nothing is put right by it", async () => {
  const answers = [undefined, undefined, [difference("sets")]];
  let repairs = 0;
  const one = prover(
    "sets",
    async () => (answers.length === 0 ? [] : answers.shift()),
    async () => void repairs++,
  );
  const { sentinel, repaired } = await watching([one]);
  await expect.poll(() => repaired).toEqual(["sets"]);
  expect([repairs, answers.length]).toEqual([1, 0]);
  await sentinel.stop();
});

test("it insists on every fourth answer, when those before have meant nothing", async () => {
  const asked: boolean[] = [];
  const one = prover("rules", async (_, insists) => {
    asked.push(insists);
    return asked.length < 8 ? undefined : [difference("rules")];
  });
  const { sentinel, repaired, failures } = await watching([one]);
  await expect.poll(() => repaired, { timeout: 10_000 }).toEqual(["rules"]);
  expect(asked).toEqual([false, false, false, true, false, false, false, true]);
  expect(failures).toEqual([]);
  await sentinel.stop();
});

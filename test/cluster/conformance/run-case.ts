import { setTimeout as sleep } from "node:timers/promises";
import type { Case, Change, HeldFlow, LabelChange } from "./case.ts";
import { type Expectation, expectation } from "./expectation.ts";
import { formatFlow } from "./flows.ts";
import { applyObject, type KubeObject, pathOf, removeObject } from "./objects.ts";
import type { Stage } from "./stage.ts";
import { asked, differencesOf, formatDifferences, unchangedOf, withoutLateAnswers } from "./table.ts";
import { nameOf, namespaceLabels, pods, type WorldPod } from "./world.ts";
import { podObject } from "./world-objects.ts";

const patienceMs = 8_000;
/** The full table is asked no sooner after a change: one that should change nothing must have had its chance to. */
const settleMs = 600;
const open = expectation([]);

/**
 * Leads the stage through one case: table, change, table; then takes back whatever it did, also after a failure, and waits
 * until that shows. Throws a sentence with the cells that are not as they should be.
 */
export async function runCase(stage: Stage, one: Case): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const [was, becomes] = [expectation(one.was ?? []), expectation(one.becomes)];
  asked.cases++;
  let now = open;
  undo.defer(() => untilChanged(stage, now, open));
  if (one.before === undefined) await expectTable(stage, "before the change", was);
  else {
    await carryOut(stage, { do: "apply", objects: one.before }, undo);
    now = was;
    await expectChange(stage, "before the change", { was: open, becomes: was });
  }
  await holdAll(stage, one.held ?? [], undo);
  for (const step of one.change) await carryOut(stage, step, undo);
  now = becomes;
  await expectChange(stage, "after the change", { was, becomes });
  await expectHeld(stage, one.held ?? []);
}

/** Asks the full table once, late answers again, and throws a sentence with what is not as it should be. */
export async function expectTable(stage: Stage, when: string, expected: Expectation): Promise<void> {
  // Whatever got through and should not is never asked again.
  const found = await withoutLateAnswers(stage, await differencesOf(stage, expected), expected);
  if (found.length === 0) return;
  throw new Error(`The table ${when} is not as it should be: ${found.length} cells\n${formatDifferences(found)}`);
}

// --- internal ---

/**
 * Once the cells that change are as they should be, the full table must be, too. Where it is not yet, e.g. as the second of two
 * policies is still on its way, it is asked until it is, with bounded patience, and then once more.
 */
async function expectChange(
  stage: Stage,
  when: string,
  { was, becomes }: { readonly was: Expectation; readonly becomes: Expectation },
): Promise<void> {
  const changed = performance.now();
  await untilChanged(stage, was, becomes);
  await sleep(Math.max(0, changed + settleMs - performance.now()));
  if ((await differencesOf(stage, becomes)).length === 0) return;
  while ((await differencesOf(stage, becomes)).length > 0 && performance.now() < changed + patienceMs);
  await expectTable(stage, when, becomes);
}

/** Waits with bounded patience; what is not as it should be then, the next full table tells. */
async function untilChanged(stage: Stage, was: Expectation, becomes: Expectation): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end; ) {
    if ((await unchangedOf(stage, was, becomes)).length === 0) return;
  }
}

async function carryOut(stage: Stage, step: Change, undo: AsyncDisposableStack): Promise<void> {
  switch (step.do) {
    case "apply":
      for (const object of step.objects) {
        undo.defer(() => removeObject(stage.client, object));
        await applyObject(stage.client, object);
      }
      return;
    case "remove":
      for (const object of step.objects) await removeObject(stage.client, object);
      return;
    case "relabel pod": {
      const pod = podNamed(step.pod);
      undo.defer(() => relabel(stage, podObject(pod), takenBack(step.labels, pod.labels)));
      return relabel(stage, podObject(pod), step.labels);
    }
    case "relabel namespace": {
      const { namespace: name, labels } = step;
      const object = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      undo.defer(() => relabel(stage, object, takenBack(labels, namespaceLabels[name] ?? {})));
      return relabel(stage, object, labels);
    }
    case "recreate pod": {
      const pod = podNamed(step.pod);
      const changes = Object.fromEntries(Object.keys(step.labels).map((key) => [key, null]));
      undo.defer(() => relabel(stage, podObject(pod), { ...changes, ...pod.labels }));
      return stage.recreate(pod, step.labels);
    }
  }
}

async function relabel(stage: Stage, object: KubeObject, labels: LabelChange): Promise<void> {
  await stage.client.patch(pathOf(object), { metadata: { labels } }, { type: "merge" });
}

function takenBack(changed: LabelChange, labels: Readonly<Record<string, string>>): LabelChange {
  return Object.fromEntries(Object.keys(changed).map((key) => [key, labels[key] ?? null]));
}

function podNamed(name: string): WorldPod {
  const pod = pods.find((one) => nameOf(one) === name);
  if (pod === undefined) throw new Error(`Cannot find a pod ${name} in the world`);
  return pod;
}

async function holdAll(stage: Stage, flows: readonly HeldFlow[], undo: AsyncDisposableStack): Promise<void> {
  for (const { from, to, protocol, port, via } of flows) {
    const prober = stage.probers.get(from);
    if (prober === undefined) throw new Error(`Cannot hold a connection from ${from}: nobody stands there`);
    undo.defer(() => prober.drop());
    await prober.hold(`${protocol === "TCP" ? "t" : "u"}${stage.addressOf(to, via)}:${port}`);
  }
}

async function expectHeld(stage: Stage, flows: readonly HeldFlow[]): Promise<void> {
  for (const [from, own] of Map.groupBy(flows, (flow) => flow.from)) {
    const carried = (await stage.probers.get(from)?.say(1_000)) ?? [];
    for (const [index, flow] of own.entries()) {
      if (carried[index] === flow.survives) continue;
      const what = carried[index] === true ? "still carries bytes" : "carries no bytes any more";
      throw new Error(`The connection ${formatFlow(flow)}, open before the change, ${what} after it`);
    }
  }
}

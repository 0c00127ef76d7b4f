import { namespacedName } from "../../src/api/names.ts";
import type { Pod } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import type { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { appsIn, attachmentChange, type BenchCluster, environments, roles, thisNode } from "./cluster.ts";
import { globalPolicyChange, namespacePolicyChange } from "./policies.ts";
import type { Random } from "./random.ts";

/** What changes are made in. */
export interface TrialContext {
  readonly calculator: NodeCalculator;
  readonly cluster: BenchCluster;
  readonly random: Random;
}

/** Prepares one change; what it gives back makes it, and is what is measured. */
export type Trial = (round: number) => () => void;

/**
 * Policies that matter here: of the namespaces of this node's pods, and every tenth a global one. Each becomes another,
 * most with selectors that were not there before; every fourth time it goes instead, and comes again the next time.
 */
export function editTrial({ calculator, cluster, random }: TrialContext): Trial {
  const here = new Set(cluster.localPods.map(({ namespace }) => namespace));
  const namespaces = cluster.namespaces.filter(({ name }) => here.has(name));
  return (round) => {
    const change =
      round % 10 === 9
        ? globalPolicyChange(random.below(400), random)
        : namespacePolicyChange(random.below(8), random.oneOf(namespaces), random);
    const edit = random.chance(25) ? ({ ...change, value: undefined } as Change) : change;
    return () => applied(calculator, [edit]);
  };
}

/** Pods with their addresses, half of them in namespaces of this node's pods, every tenth on this node. */
export function podAddTrial({ calculator, cluster, random }: TrialContext): Trial {
  const here = cluster.localPods.map(({ namespace }) => namespace);
  const added: Pod[] = [];
  return (round) => {
    const made = cluster.addPod(round % 10 === 0 ? thisNode : ("node-1" as typeof thisNode));
    const pod = random.chance(50) ? { ...made, namespace: random.oneOf(here) } : made;
    const changes = [
      podChange(pod, pod),
      cluster.lastBlock(),
      ...(pod.node === thisNode ? [attachmentChange(pod)] : []),
    ];
    // This node keeps as many as it had.
    if (pod.node === thisNode) added.push(pod);
    const gone = added.length > 5 ? added.shift() : undefined;
    if (gone !== undefined) {
      const detached = { ...attachmentChange(gone), value: undefined } as Change;
      applied(calculator, [podChange(gone, undefined), detached]);
    }
    return () => applied(calculator, changes);
  };
}

/** Another app or role for a pod, every fifth time for one of this node's, else mostly in a namespace of theirs. */
export function flipTrial({ calculator, cluster, random }: TrialContext): Trial {
  const local = cluster.localPods;
  const here = new Set(local.map(({ namespace }) => namespace));
  const near = cluster.pods.filter(({ namespace }) => here.has(namespace));
  return (round) => {
    const pod = random.oneOf(round % 5 === 0 ? local : random.chance(60) ? near : cluster.pods);
    const label = random.chance(50) ? { app: random.oneOf(appsIn(pod.namespace)) } : { role: random.oneOf(roles) };
    const changed = { ...pod, labels: { ...pod.labels, ...label } };
    return () => applied(calculator, [podChange(pod, changed)]);
  };
}

/** Another environment for a namespace, every second time for one of this node's pods. */
export function relabelTrial({ calculator, cluster, random }: TrialContext): Trial {
  const here = new Set(cluster.localPods.map(({ namespace }) => namespace));
  const near = cluster.namespaces.filter(({ name }) => here.has(name));
  return (round) => {
    const namespace = random.oneOf(round % 2 === 0 ? near : cluster.namespaces);
    const value = { ...namespace, labels: { ...namespace.labels, env: random.oneOf(environments) } };
    return () => applied(calculator, [{ kind: "namespace", key: value.name, value }]);
  };
}

/** Some 0.1 ms of plain work that makes nothing and reads nothing: how long it takes at most is the machine's doing. */
export function floorTrial(): Trial {
  return (round) => () => {
    let mixed = round;
    for (let step = 0; step < 100_000; step++) mixed = Math.imul(mixed ^ step, 0x01000193);
    if (mixed === 0.5) throw new Error("Cannot be: whole numbers have no halves");
  };
}

// --- internal ---

function applied(calculator: NodeCalculator, changes: readonly Change[]): void {
  calculator.apply(changes);
  calculator.plan();
}

function podChange({ namespace, name }: Pod, value: Pod | undefined): Change {
  return { kind: "pod", key: namespacedName(namespace, name), value };
}

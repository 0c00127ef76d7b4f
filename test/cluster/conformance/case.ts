/** One case of the conformance run, and short ways to write down what it applies. */
import type { KubeObject } from "./objects.ts";

/** Begins and ends with no policy and the labels of world.ts. Expectations are lines of expectation.ts. */
export interface Case {
  readonly name: string;
  /** The sentence of the specification that it stems from. */
  readonly source: string;
  /** What is there before the change; nothing when absent. */
  readonly before?: readonly KubeObject[];
  /** The truth table before the change; everything open when absent. */
  readonly was?: readonly string[];
  /** Connections opened before the change. */
  readonly held?: readonly HeldFlow[];
  readonly change: readonly Change[];
  /** The truth table after it. */
  readonly becomes: readonly string[];
}

/** A connection that is open while the change comes, and whether it carries bytes after it. */
export interface HeldFlow {
  readonly from: string;
  readonly to: string;
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
  readonly via: "address" | "service";
  readonly survives: boolean;
}

/** One step of a change. A label of null goes. */
export type Change =
  | { readonly do: "apply"; readonly objects: readonly KubeObject[] }
  | { readonly do: "remove"; readonly objects: readonly KubeObject[] }
  | { readonly do: "relabel pod"; readonly pod: string; readonly labels: LabelChange }
  | { readonly do: "relabel namespace"; readonly namespace: string; readonly labels: LabelChange }
  | { readonly do: "recreate pod"; readonly pod: string; readonly labels: Readonly<Record<string, string>> };

export type LabelChange = Readonly<Record<string, string | null>>;

/** A change that applies these. */
export const applied = (...objects: readonly KubeObject[]): readonly Change[] => [{ do: "apply", objects }];

/** A change that removes these. */
export const removed = (...objects: readonly KubeObject[]): readonly Change[] => [{ do: "remove", objects }];

/** A Kubernetes NetworkPolicy. */
export function networkPolicy(namespace: string, name: string, spec: object): KubeObject {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { namespace, name }, spec };
}

/** An object of projectcalico.org/v3, in a namespace where `metadata` has one. */
export function calicoObject(kind: string, metadata: KubeObject["metadata"], spec: object): KubeObject {
  return { apiVersion: "projectcalico.org/v3", kind, metadata, spec };
}

/** A ClusterNetworkPolicy. */
export function clusterPolicy(name: string, spec: object): KubeObject {
  return { apiVersion: "policy.networking.k8s.io/v1alpha2", kind: "ClusterNetworkPolicy", metadata: { name }, spec };
}

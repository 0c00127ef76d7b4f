import type { Change, KindName, PolicyKind } from "../api/snapshot.ts";

/** What a kind of objects is for policy: few, so that figures can be told by them. */
export type CauseKind =
  | "policy"
  | "pod"
  | "endpoint"
  | "host-endpoint"
  | "set"
  | "tier"
  | "namespace"
  | "service"
  | "pool"
  | "node";

/** What a pass answers to. */
export interface Causes {
  /** How many changes there were, by kind. */
  readonly counts: ReadonlyMap<CauseKind, number>;
  /** E.g. `policy shop/web`: a few, those that mostly matter first. */
  readonly names: readonly string[];
  /** When changes of a kind came: once for those that came together. */
  readonly arrivals: readonly { readonly kind: CauseKind; readonly at: number }[];
}

/** Changes that wait for a pass. What it holds is bounded, however many there are. */
export class PendingChanges {
  #counts = new Map<CauseKind, number>();
  readonly #names = new Map<CauseKind, Set<string>>();
  #arrivals: { readonly kind: CauseKind; readonly at: number }[] = [];

  add(changes: readonly Change[], at: number): void {
    const kinds = new Set<CauseKind>();
    for (const { kind, key } of changes) {
      const cause = causeOf[kind];
      if (cause === undefined) continue;
      kinds.add(cause);
      this.#counts.set(cause, (this.#counts.get(cause) ?? 0) + 1);
      this.#name(cause, key);
    }
    if (this.#arrivals.length >= mostArrivals) return;
    for (const kind of kinds) this.#arrivals.push({ kind, at });
  }

  /** All of them; they wait no more. */
  take(): Causes {
    const names = order.flatMap((kind) => [...(this.#names.get(kind) ?? [])].map((name) => `${kind} ${name}`));
    const causes = { counts: this.#counts, names: names.slice(0, mostNames), arrivals: this.#arrivals };
    this.#counts = new Map();
    this.#arrivals = [];
    for (const ofKind of this.#names.values()) ofKind.clear();
    return causes;
  }

  #name(kind: CauseKind, key: string): void {
    const names = this.#names.get(kind) ?? new Set();
    this.#names.set(kind, names);
    if (names.size < mostNames) names.add(key.slice(0, longestName));
  }
}

/** Those of two passes, the earlier ones first. */
export function joinCauses(a: Causes, b: Causes): Causes {
  const counts = new Map(a.counts);
  for (const [kind, count] of b.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
  const names = [...new Set([...a.names, ...b.names])].slice(0, mostNames);
  return { counts, names, arrivals: [...a.arrivals, ...b.arrivals].slice(0, mostArrivals) };
}

// --- internal ---

const mostNames = 5;
/** A namespace's and a name's most. */
const longestName = 320;
/** A pass that takes so long that more batches than this wait has its story told by fewer. */
const mostArrivals = 10_000;

/** A pod changes more often than it matters here. */
const order = [
  ...(["policy", "tier", "endpoint", "host-endpoint", "set"] as const),
  ...(["pool", "namespace", "service", "node", "pod"] as const),
];

const policies: Readonly<Record<PolicyKind, CauseKind>> = {
  networkPolicy: "policy",
  clusterNetworkPolicy: "policy",
  calicoNetworkPolicy: "policy",
  globalNetworkPolicy: "policy",
  stagedNetworkPolicy: "policy",
  stagedGlobalNetworkPolicy: "policy",
  stagedKubernetesNetworkPolicy: "policy",
};

/** Of the kinds that no plan is made from there is none. */
const causeOf: Readonly<Partial<Record<KindName, CauseKind>>> = {
  ...policies,
  pod: "pod",
  namespace: "namespace",
  serviceAccount: "namespace",
  endpointSlice: "service",
  networkSet: "set",
  globalNetworkSet: "set",
  hostEndpoint: "host-endpoint",
  hostInterface: "host-endpoint",
  attachment: "endpoint",
  tier: "tier",
  ipPool: "pool",
  node: "node",
  bgpPeer: "node",
};

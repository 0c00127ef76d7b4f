/** What must get through a node that has an object which cannot be read, told from the object's kind and its one broken value. */
import { isUnder } from "./json-path.ts";
import type { Mutation } from "./mutations.ts";
import { type Trip, trips } from "./packets.ts";
import type { BrokenKind } from "./samples.ts";
import { pods, type SmallPod, type Standing, standings } from "./small-world.ts";

/** The kinds of policy that are enforced. */
export type EnforcedKind = "networkPolicy" | "clusterNetworkPolicy" | "calicoNetworkPolicy" | "globalNetworkPolicy";

/** Whom a policy denies everything, and where it stands. */
export interface Closed {
  readonly pods: readonly SmallPod["name"][];
  /** The node's own interface. */
  readonly uplink: boolean;
  readonly at: Standing["at"];
}

/** A policy of that kind with such a mutation: what the mutation left whole still says where it stands and whom it selects. */
export function closedBy(kind: EnforcedKind, mutation: Mutation): Closed {
  const { selection, whole, tier, order, everybody } = facts[kind];
  const widest = selection.some((field) => touches(mutation, field));
  return {
    pods: widest ? everybody : ["shop/web"],
    uplink: widest && kind === "globalNetworkPolicy",
    at: [
      tier !== undefined && touches(mutation, "tier") ? tier : whole[0],
      order !== undefined && touches(mutation, order.field) ? order.otherwise : whole[1],
    ],
  };
}

/** Those that are in the world of that kind: a Kubernetes NetworkPolicy is alone in its tier. */
export function standingsOf(kind: BrokenKind): readonly Standing[] {
  return standings.filter(({ at }) => kind !== "networkPolicy" || at[0] !== defaultTier);
}

/** Where each trip still gets through; `before` is where it did without the object, and `all` what may still allow. */
export function passingWith(closed: Closed, before: readonly boolean[], all: readonly Standing[]): readonly boolean[] {
  const stands = all.filter(({ at }) => isBefore(at, closed.at));
  return trips.map((trip, index) => before[index] === true && !isDenied(trip, closed, stands));
}

/** Whether the mutation is of that field of the spec, of something in it, or of everything. */
export function touches({ path }: Mutation, field: string): boolean {
  return path.length < 2 ? path[0] === "spec" : isUnder(path, ["spec", field]);
}

/** Whether the kind is never enforced. */
export function isStaged(kind: BrokenKind): boolean {
  return kind.startsWith("staged");
}

/** Whether the kind is of policies that are enforced. */
export function isEnforced(kind: BrokenKind): kind is EnforcedKind {
  return Object.hasOwn(facts, kind);
}

// --- internal ---

interface Facts {
  /** The fields that limit whom it selects. */
  readonly selection: readonly string[];
  /** The pods that it could select if nothing limited it. */
  readonly everybody: readonly SmallPod["name"][];
  /** The place of the sample. */
  readonly whole: Standing["at"];
  /** The order of its tier when the field cannot be read; undefined when the kind has no such field. */
  readonly tier?: number;
  readonly order?: { readonly field: string; readonly otherwise: number };
}

const allPods = pods.map(({ name }) => name);
const shopPods = allPods.filter((name) => name.startsWith("shop/"));
const defaultTier = 1_000_000;
const adminTier = 1_000;

const calico = {
  selection: ["selector", "serviceAccountSelector", "namespaceSelector"],
  whole: [100, 50],
  tier: defaultTier,
  order: { field: "order", otherwise: Number.POSITIVE_INFINITY },
} as const;

const facts: Readonly<Record<EnforcedKind, Facts>> = {
  calicoNetworkPolicy: { ...calico, everybody: shopPods },
  globalNetworkPolicy: { ...calico, everybody: allPods },
  networkPolicy: { selection: ["podSelector"], everybody: shopPods, whole: [defaultTier, 1_000] },
  clusterNetworkPolicy: {
    ...{ selection: ["subject"], everybody: allPods, whole: [adminTier, 10], tier: adminTier },
    order: { field: "priority", otherwise: 0 },
  },
};

function isBefore([tier, order]: Standing["at"], [otherTier, otherOrder]: Standing["at"]): boolean {
  return tier < otherTier || (tier === otherTier && order < otherOrder);
}

function isDenied(trip: Trip, closed: Closed, stands: readonly Standing[]): boolean {
  const isOfPort = stands.filter(({ port }) => trip.packet.protocol === 6 && port === trip.packet.destinationPort);
  const isFor = (one: SmallPod["name"] | undefined) => one !== undefined && closed.pods.includes(one);
  if (isFor(trip.from) && isOfPort.length === 0) return true;
  if (isFor(trip.to) && !isOfPort.some(({ podsAlone }) => trip.fromPod || !podsAlone)) return true;
  return closed.uplink && trip.byUplink && !isOfPort.some(({ podsAlone }) => !podsAlone);
}

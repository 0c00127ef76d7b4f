/**
 * When each node's agent last gave a sign of life, as this process has seen it. Clocks of other machines do not count: a
 * Lease is renewed when its renewTime is another than at the last look.
 */
import { type NodeName, namespacedName, systemNamespace } from "../../api/names.ts";
import { agentLeaseName } from "../../api/node-query.ts";
import type { Lease } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";

/** What was seen of one node. */
interface Sighting {
  readonly renewTime: string | undefined;
  /** The last sign of life, or the first look when there was none since; milliseconds of the caller's monotonic clock. */
  readonly atMs: number;
}

/** By node. */
export type Sightings = ReadonlyMap<NodeName, Sighting>;

/** One look at these nodes; others are forgotten. A Node object that is there is a sign of life too. */
export function sightAgents(
  known: Sightings,
  nodes: Iterable<NodeName>,
  view: Pick<Snapshot, "node" | "lease">,
  nowMs: number,
): Sightings {
  return new Map(
    [...new Set(nodes)].map((node) => {
      const lease = view.lease.get(namespacedName(systemNamespace, agentLeaseName(node)));
      return [node, sighting(known.get(node), lease, view.node.has(node), nowMs)];
    }),
  );
}

/** One look at one node, for example by a request past the watch cache. */
export function sightAgain(
  known: Sightings,
  node: NodeName,
  { lease, exists }: { readonly lease: Lease | undefined; readonly exists: boolean },
  nowMs: number,
): Sightings {
  return new Map(known).set(node, sighting(known.get(node), lease, exists, nowMs));
}

/** For how long there was no sign of life; 0 for a node that was never looked at. */
export function silentMs(known: Sightings, node: NodeName, nowMs: number): number {
  return nowMs - (known.get(node)?.atMs ?? nowMs);
}

/** How long that must be before a deleted node's addresses are free to go: never shorter than an agent's Lease lasts. */
export function silenceNeededMs(graceMs: number): number {
  return Math.max(graceMs, agentLeaseMs);
}

// --- internal ---

const agentLeaseMs = 40_000;

function sighting(before: Sighting | undefined, lease: Lease | undefined, exists: boolean, nowMs: number): Sighting {
  const renewTime = lease?.renewTime ?? before?.renewTime;
  const alive = exists || before === undefined || renewTime !== before.renewTime;
  return { renewTime, atMs: alive ? nowMs : before.atMs };
}

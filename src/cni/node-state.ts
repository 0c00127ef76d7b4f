import type { CniDependencies } from "./dependencies.ts";
import type { Intents } from "./intents.ts";
import type { ReleaseJournal } from "./journal.ts";
import type { NetworkHolds } from "./network-holds.ts";
import type { CniTiming } from "./timing.ts";
import type { WireTurns } from "./wire-turns.ts";

/** What the verbs work on: the node with what it has wired, what it holds for networks, and what it still has to give back. */
export interface NodeState {
  readonly node: CniDependencies;
  readonly journal: ReleaseJournal;
  readonly holds: NetworkHolds;
  readonly intents: Intents;
  readonly timing: CniTiming;
  readonly wireTurns: WireTurns;
}

/** The IPAM handle of a container on a network: upstream's form, so that its tools find the pod's addresses. */
export function handleOf(network: string, containerId: string): string {
  return `${network}.${containerId}`;
}

import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { Ip } from "../../net/ip.ts";
import type { Secret } from "../plan/bgp-inputs.ts";
import type { BirdConfig } from "../plan/bird-config.ts";
import { planBgp } from "../plan/plan-bgp.ts";
import { lostPairs, type UnreachablePair, unreachablePairs } from "./lost-pairs.ts";
import type { DownSession } from "./network.ts";
import type { OutsideRouter } from "./outside-router.ts";
import { type SessionChange, sessionChanges } from "./session-changes.ts";
import { type SimulatedNetwork, simulate } from "./simulate.ts";

/** What every node's configuration is planned from. */
export interface ClusterState {
  readonly snapshot: Snapshot;
  /** By `NAME/KEY`. */
  readonly secrets: ReadonlyMap<string, Secret>;
}

/** What a change of the cluster's objects does to BGP, once it has settled. */
export interface PlannedChange {
  /** Nodes whose sessions change. */
  readonly nodes: readonly { readonly node: NodeName; readonly sessions: readonly SessionChange[] }[];
  /** Sessions that come up, before and after. */
  readonly established: { readonly before: number; readonly after: number };
  /** What would be configured and not come up, and is not so already. */
  readonly down: readonly DownSession[];
  /** Who would no longer reach whose blocks. */
  readonly lost: readonly UnreachablePair[];
  /** Pairs that do not reach each other as it is, and would not. */
  readonly outOfReach: number;
  /** What the answer rests on, and what it leaves out: sentences. */
  readonly remarks: readonly string[];
}

/** Plans every node before and after, and compares where both lead to. */
export function planChange(
  before: ClusterState,
  after: ClusterState,
  outside: readonly OutsideRouter[] = [],
): PlannedChange {
  const configs = { before: configsOf(before), after: configsOf(after) };
  const settled = {
    before: simulate(configs.before, [...absentees(configs.before, configs.after), ...outside]),
    after: simulate(configs.after, [...absentees(configs.after, configs.before), ...outside]),
  };
  const lost = lostPairs(settled.before, settled.after);
  const known = new Set(settled.before.down.map(keyOf));
  return {
    nodes: [...new Set([...configs.before.keys(), ...configs.after.keys()])].flatMap((node) => {
      const sessions = sessionChanges(configs.before.get(node), configs.after.get(node));
      return sessions.length === 0 ? [] : [{ node, sessions }];
    }),
    established: { before: settled.before.established, after: settled.after.established },
    down: settled.after.down.filter((session) => !known.has(keyOf(session))),
    lost,
    outOfReach: unreachablePairs(settled.after).length - lost.length,
    remarks: [...remarksOf(after, configs), ...assumptions(settled.after, outside)],
  };
}

// --- internal ---

type Configs = ReadonlyMap<NodeName, BirdConfig>;

function configsOf({ snapshot, secrets }: ClusterState): Configs {
  const configs = new Map<NodeName, BirdConfig>();
  for (const node of snapshot.node.keys()) {
    const config = planBgp({ snapshot, node, secrets, deliverable: new Set(), isDraining: false });
    if (config !== undefined) configs.set(node, config);
  }
  return configs;
}

/** Addresses at which nobody is: those of nodes that are there only before or only after. */
function absentees(configs: Configs, others: Configs): readonly OutsideRouter[] {
  const own = new Set(addressesOf(configs));
  const gone = addressesOf(others).filter((address) => !own.has(address));
  return gone.map((address) => ({ addresses: [address], role: "is absent" }));
}

function addressesOf(configs: Configs): readonly Ip[] {
  return [...configs.values()].flatMap(({ families }) => families.map(({ address }) => address));
}

function keyOf({ node, neighbor, reason }: DownSession): string {
  return `${node} ${neighbor} ${reason}`;
}

function remarksOf({ snapshot }: ClusterState, configs: { readonly before: Configs; readonly after: Configs }) {
  const unplanned = [...snapshot.node.keys()].filter((node) => !configs.after.has(node));
  const known = new Set(rejectedOf(configs.before));
  return [
    ...unplanned.map((node) => `Node ${node} has no address: it is left out, and goes on as it was configured last`),
    ...rejectedOf(configs.after).filter((reason) => !known.has(reason)),
  ];
}

/** What the objects ask for and do not get, each once. */
function rejectedOf(configs: Configs): readonly string[] {
  const all = [...configs.values()].flatMap(({ rejected }) => rejected);
  return [...new Set(all.map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`))];
}

function assumptions({ outside, doubtful }: SimulatedNetwork, told: readonly OutsideRouter[]): readonly string[] {
  const given = new Set(told.flatMap(({ addresses }) => addresses));
  const assumed = outside.filter((address) => !given.has(address));
  const list = assumed.length > 5 ? [...assumed.slice(0, 5), `${assumed.length - 5} more`] : assumed;
  const unknown =
    `No nodes: ${list.join(", ")}. Each is taken for a router by itself that keeps every session and passes on the best ` +
    "route that it has, between its internal neighbours as a route reflector; --router says which are one, or give one another their routes";
  return [
    ...(assumed.length === 0 ? [] : [unknown]),
    ...doubtful.map(({ network, doubt }) =>
      doubt === "too many ways"
        ? `${network}: only the first 64 ways of each node were followed`
        : `${network}: its routes never settle, so that nobody can say who reaches it`,
    ),
  ];
}

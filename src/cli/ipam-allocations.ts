/** Which of the addresses that blocks give out are in use, as far as the API server knows. */
import { type IpamBlock, reserveNodeOf, windowsReservedHandle } from "../api/ipam-block.ts";
import { type NamespacedName, namespacedName } from "../api/names.ts";
import { type Allocation, allocationsOf } from "../ipam/block.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { type ClusterState, podKey, podsWithAddresses } from "./ipam-cluster-state.ts";

/** One address that a block gives out; the names are those of calicoctl's report. */
export interface CheckedAllocation {
  readonly ip: Ip;
  readonly block: Cidr;
  readonly handle?: string;
  readonly sequenceNumber?: bigint;
  readonly pod?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly type?: string;
  readonly creationTimestamp?: string;
  /** False only when nothing speaks for it: it looks leaked, or it cools down. */
  readonly inUse: boolean;
  readonly borrowed?: true;
  readonly coolingDown?: true;
  /** Who uses it: `Workload(namespace/pod)`, `Node(name)` and so on. */
  readonly owners: readonly string[];
  /** Why it looks leaked. */
  readonly leak?: string;
}

/** Every address given out, as the blocks said last, in their order. */
export function checkAllocations(state: ClusterState): readonly CheckedAllocation[] {
  const seenBefore = new Map(state.before.flatMap(entriesOf).map((one) => [one.ip, one]));
  const users = usersOf(state);
  return state.after.flatMap(entriesOf).map((entry) => {
    const judged = judge(entry, users.get(entry.ip) ?? [], state);
    const settled = sameAllocation(seenBefore.get(entry.ip), entry);
    // What was given out while we looked may be a pod's that we did not see yet.
    if (judged.leak !== undefined && !settled) return { ...entry.facts, inUse: true, owners: [justGiven] };
    return { ...entry.facts, ...judged };
  });
}

/** The pods that report each address. */
export function usersOf(state: ClusterState): ReadonlyMap<Ip, readonly NamespacedName[]> {
  const users = new Map<Ip, NamespacedName[]>();
  for (const pod of podsWithAddresses(state)) {
    for (const ip of pod.ips) users.set(ip, [...(users.get(ip) ?? []), podKey(pod)]);
  }
  return users;
}

// --- internal ---

const justGiven = "(given out during the check)";

interface Entry extends Allocation {
  readonly block: IpamBlock;
  readonly facts: Omit<CheckedAllocation, "inUse" | "owners" | "leak">;
}

type Judgement = Pick<CheckedAllocation, "inUse" | "owners" | "leak" | "coolingDown">;

function entriesOf(block: IpamBlock): readonly Entry[] {
  return allocationsOf(block).map((allocation) => ({ ...allocation, block, facts: factsOf(block, allocation) }));
}

function factsOf({ spec }: IpamBlock, { ip, attribute, sequenceNumber }: Allocation): Entry["facts"] {
  const { handle_id: handle, secondary = {} } = attribute;
  const owner = spec.affinity?.startsWith("host:") ? spec.affinity.slice("host:".length) : undefined;
  const { pod, namespace, type, timestamp, node = owner } = secondary as Readonly<Record<string, string | undefined>>;
  return {
    ip,
    block: spec.cidr,
    ...(handle === undefined ? {} : { handle }),
    ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
    ...(pod === undefined ? {} : { pod }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(node === undefined ? {} : { node }),
    ...(type === undefined ? {} : { type }),
    ...(timestamp === undefined ? {} : { creationTimestamp: timestamp }),
    ...(node === owner ? {} : { borrowed: true as const }),
  };
}

function judge({ attribute, block, facts }: Entry, users: readonly string[], state: ClusterState): Judgement {
  const owners = users.map((pod) => `Workload(${pod})`);
  if (attribute.releasedAt !== undefined) return { inUse: owners.length > 0, owners, coolingDown: true };
  if (owners.length > 0) return { inUse: true, owners };
  if (facts.handle?.toLowerCase() === windowsReservedHandle) return inUse("Reserved for Windows");
  const holder = reserveNodeOf(attribute);
  if (holder !== undefined) return ofNode(holder, `Reserve of node ${holder}`, state);
  if (block.spec.affinity?.startsWith("virtual:")) return inUse(block.spec.affinity);
  const { pod, namespace, type, node } = facts;
  if (pod !== undefined && namespace !== undefined) return judgePod(facts, state);
  if (type?.endsWith("TunnelAddress") && node !== undefined) return ofNode(node, `Node(${node})`, state);
  return inUse("(it names no pod; taken to be in use)");
}

/** The pod that an address was given to does not report it. */
function judgePod({ pod: name = "", namespace = "", node }: Entry["facts"], { pods }: ClusterState): Judgement {
  const key = namespacedName(namespace, name);
  const pod = pods.get(key);
  if (pod === undefined) return leaked(`pod ${key} is gone`);
  if (pod.finished) return leaked(`pod ${key} has ended`);
  if (pod.hostNetwork) return leaked(`pod ${key} uses its node's network`);
  if (pod.node !== undefined && node !== undefined && pod.node !== node) {
    return leaked(`pod ${key} runs on ${pod.node}, not on ${node}`);
  }
  // It may be about to report it, or use it as a second address.
  return inUse(`Workload(${key}), which does not report it`);
}

/** What stays for as long as there is the node. */
function ofNode(node: string, owner: string, { nodes }: ClusterState): Judgement {
  return nodes.has(node) ? inUse(owner) : leaked(`node ${node} is gone`);
}

function inUse(owner: string): Judgement {
  return { inUse: true, owners: [owner] };
}

function leaked(leak: string): Judgement {
  return { inUse: false, owners: [], leak };
}

function sameAllocation(a: Entry | undefined, b: Entry): boolean {
  return a !== undefined && a.facts.handle === b.facts.handle && a.facts.sequenceNumber === b.facts.sequenceNumber;
}

/** What does not fit together among IPAM's records, pods and nodes. */
import { hasRecord, type IpamBlock, reserveNodeOf } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { NamespacedName } from "../api/names.ts";
import { allocationsOf, countsOf } from "../ipam/block.ts";
import { poolOfBlock } from "../ipam/pools.ts";
import { type Cidr, cidrContainsIp, cidrsOverlap, firstIp } from "../net/cidr.ts";
import { compareIps, type Ip } from "../net/ip.ts";
import { type CheckedAllocation, usersOf } from "./ipam-allocations.ts";
import { blockFaults } from "./ipam-block-faults.ts";
import type { ClusterState } from "./ipam-cluster-state.ts";

/** One thing that is wrong. */
export interface Problem {
  readonly kind:
    | "leaked"
    | "heldByAnother"
    | "shared"
    | "notAllocated"
    | "outsidePools"
    | "orphanedHandle"
    | "missingHandle"
    | "inexactHandle"
    | "orphanedAffinity"
    | "missingAffinity"
    | "nodeGone"
    | "blockOutsidePools"
    | "overlappingBlocks"
    | "invalidBlock"
    | "unreadable";
  /** The address, block, handle or object that it is about. */
  readonly subject: string;
  readonly message: string;
}

/** Everything that is wrong, by kind and then in order of address. */
export function findProblems(state: ClusterState, allocations: readonly CheckedAllocation[]): readonly Problem[] {
  return [
    ...addressProblems(state, allocations),
    ...handleProblems(state),
    ...affinityProblems(state),
    ...blockProblems(state),
    ...state.unreadable.map(({ kind, key, reason }) => problem("unreadable", `${kind} ${key}`, reason)),
  ];
}

/** The handles whose records name no address that any block gives them. */
export function orphanedHandles({ before, after, handles }: ClusterState): readonly IpamHandle[] {
  const held = new Set([...holdingsOf(before).keys(), ...holdingsOf(after).keys()]);
  return handles.filter(({ spec }) => !held.has(spec.handleID));
}

// --- internal ---

function problem(kind: Problem["kind"], subject: string, message: string): Problem {
  return { kind, subject, message };
}

function addressProblems(state: ClusterState, allocations: readonly CheckedAllocation[]): readonly Problem[] {
  const leaked = allocations.flatMap(({ ip, leak, handle }) =>
    leak === undefined ? [] : [problem("leaked", ip, `is given to ${handle ?? "no handle"}, but ${leak}`)],
  );
  const held = new Map(allocations.map((one) => [one.ip, one]));
  const foundBefore = new Set(state.before.flatMap(allocationsOf).map(({ ip }) => ip));
  const users = [...usersOf(state)].toSorted(([a], [b]) => compareIps(a, b));
  const used = users.flatMap(([ip, pods]) => {
    const allocation = held.get(ip);
    const shared = pods.length > 1 ? [problem("shared", ip, `is used by ${pods.join(" and ")}`)] : [];
    if (allocation !== undefined) return [...shared, ...holderProblems(allocation, pods, state)];
    return foundBefore.has(ip) ? shared : [...shared, ...unallocated(state, ip, pods)];
  });
  return [...leaked, ...used];
}

function holderProblems(
  { ip, pod, namespace, coolingDown, handle }: CheckedAllocation,
  users: readonly NamespacedName[],
  { pods }: ClusterState,
) {
  if (coolingDown) return [problem("notAllocated", ip, `is used by ${users.join(" and ")}, but was given back`)];
  const holder = reserveNodeOf({ handle_id: handle });
  if (holder !== undefined) {
    // Its own node may have given it to a pod, and not yet named that in the block.
    return users.flatMap((user) => {
      const node = pods.get(user)?.node;
      if (node === undefined || node === holder) return [];
      return [
        problem("heldByAnother", ip, `is used by ${user} on ${node}, but node ${holder} holds it for pods to come`),
      ];
    });
  }
  const strangers = pod === undefined ? [] : users.filter((user) => user !== `${namespace ?? ""}/${pod}`);
  return strangers.map((user) =>
    problem("heldByAnother", ip, `is used by ${user}, but is given to ${namespace}/${pod}`),
  );
}

function unallocated({ pools }: ClusterState, ip: Ip, users: readonly string[]): readonly Problem[] {
  const pool = pools.find(({ spec }) => cidrContainsIp(spec.cidr, ip));
  const who = users.join(" and ");
  if (pool === undefined) return [problem("outsidePools", ip, `is used by ${who}, but is in no pool`)];
  return [problem("notAllocated", ip, `of pool ${pool.metadata.name} is used by ${who}, but is not given out`)];
}

/** By handle and block, how many addresses are held; without what has no record. */
type Holdings = ReadonlyMap<string, ReadonlyMap<Cidr, number>>;

function holdingsOf(blocks: readonly IpamBlock[]): Holdings {
  const holdings = new Map<string, Map<Cidr, number>>();
  for (const block of blocks) {
    for (const { attribute } of allocationsOf(block)) {
      const { handle_id: handle, releasedAt } = attribute;
      if (handle === undefined || releasedAt !== undefined || !hasRecord(handle)) continue;
      const own = holdings.get(handle) ?? new Map<Cidr, number>();
      holdings.set(handle, own.set(block.spec.cidr, (own.get(block.spec.cidr) ?? 0) + 1));
    }
  }
  return holdings;
}

function handleProblems(state: ClusterState): readonly Problem[] {
  const [before, after] = [holdingsOf(state.before), holdingsOf(state.after)];
  const records = new Map(state.handles.map(({ spec }) => [spec.handleID, spec]));
  const orphaned = orphanedHandles(state).map(({ spec }) =>
    problem("orphanedHandle", spec.handleID, "has a record, but holds no address"),
  );
  const others = [...after].flatMap(([handle, own]) => {
    if (!sameCounts(before.get(handle), own)) return [];
    const record = records.get(handle);
    if (record === undefined) return [problem("missingHandle", handle, "holds addresses, but has no record")];
    const recorded = new Map(Object.entries(record.block).filter(([, count]) => count > 0)) as Map<Cidr, number>;
    if (sameCounts(recorded, own)) return [];
    return [problem("inexactHandle", handle, `holds ${countsText(own)}, but its record says ${countsText(recorded)}`)];
  });
  return [...orphaned, ...others];
}

function sameCounts(a: ReadonlyMap<Cidr, number> | undefined, b: ReadonlyMap<Cidr, number>): boolean {
  return a !== undefined && a.size === b.size && [...b].every(([cidr, count]) => a.get(cidr) === count);
}

function countsText(counts: ReadonlyMap<Cidr, number>): string {
  return [...counts].map(([cidr, count]) => `${count} of ${cidr}`).join(", ") || "none";
}

function affinityProblems({ before, after, affinities, nodes }: ClusterState): readonly Problem[] {
  const earlier = ownersOf(before);
  const owners = ownersOf(after);
  const claims = affinities.filter(({ spec }) => spec.type === "host" && spec.state !== "pendingDeletion");
  const orphaned = claims.flatMap(({ spec }) => {
    const { cidr, node, state } = spec;
    // A claim that is half made is its node's to finish.
    if (state !== "confirmed" || owners.get(cidr) === node || earlier.get(cidr) === node) return [];
    const owner = owners.get(cidr);
    const found = owners.has(cidr)
      ? `which is ${owner === undefined ? "nobody's" : `node ${owner}'s`}`
      : "which is not there";
    return [problem("orphanedAffinity", cidr, `is claimed by node ${node}, ${found}`)];
  });
  const claimed = new Set(claims.map(({ spec }) => `${spec.node} ${spec.cidr}`));
  const missing = [...owners].flatMap(([cidr, node]) => {
    if (node === undefined || earlier.get(cidr) !== node || claimed.has(`${node} ${cidr}`)) return [];
    return [problem("missingAffinity", cidr, `is node ${node}'s, but there is no claim of it`)];
  });
  const all = new Map([...claims.map(({ spec }) => [spec.cidr, spec.node] as const), ...owners]);
  const gone = [...all].flatMap(([cidr, node]) =>
    node === undefined || nodes.has(node) ? [] : [problem("nodeGone", cidr, `is node ${node}'s, which is gone`)],
  );
  return [...orphaned, ...missing, ...gone];
}

/** The node of each block; undefined for one that is no node's. */
function ownersOf(blocks: readonly IpamBlock[]): ReadonlyMap<Cidr, string | undefined> {
  const nodeOf = (affinity = "") => (affinity.startsWith("host:") ? affinity.slice("host:".length) : undefined);
  return new Map(blocks.map(({ spec }) => [spec.cidr, nodeOf(spec.affinity)]));
}

function blockProblems({ after, pools, nowMs }: ClusterState): readonly Problem[] {
  const blocks = after.toSorted((a, b) => compareIps(firstIp(a.spec.cidr), firstIp(b.spec.cidr)));
  return blocks.flatMap((block, index) => {
    const { cidr } = block.spec;
    const next = blocks[index + 1];
    const { used } = countsOf(block);
    return [
      ...blockFaults(block.spec, nowMs).map((fault) => problem("invalidBlock", cidr, fault)),
      ...(next !== undefined && cidrsOverlap(cidr, next.spec.cidr)
        ? [problem("overlappingBlocks", cidr, `overlaps block ${next.spec.cidr}`)]
        : []),
      ...(poolOfBlock(pools, cidr) === undefined
        ? [problem("blockOutsidePools", cidr, `is in no pool, with ${used} addresses given out`)]
        : []),
    ];
  });
}

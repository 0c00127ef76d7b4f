import { isReserve } from "../api/ipam-block.ts";
import { compareText } from "../net/compare-text.ts";
import type { CheckedAllocation } from "./ipam-allocations.ts";
import { type ClusterState, podsWithAddresses } from "./ipam-cluster-state.ts";
import type { Problem } from "./ipam-problems.ts";
import type { CheckReport } from "./ipam-report.ts";

/** What to list beside the counts. */
export interface ShownDetails {
  readonly allIps: boolean;
  readonly problemIps: boolean;
}

/** The report in the order of `calicoctl ipam check`: what there is, then what does not fit together. */
export function formatCheck(state: ClusterState, report: CheckReport, shown: ShownDetails): string {
  const allocations = Object.values(report.allocations).flat();
  const lines = [
    "Checking IPAM for inconsistencies...",
    "",
    ...blockLines(state, allocations, shown),
    "",
    ...poolLines(state),
    "",
    ...userLines(state),
    "",
    ...nodeLines(allocations),
    "",
    ...headings.flatMap(([kind, heading]) => problemLines(kind, heading, report.problems, shown)),
    `Check complete; found ${report.problems.length} problem${report.problems.length === 1 ? "" : "s"}.`,
  ];
  return `${lines.join("\n")}\n`;
}

// --- internal ---

const mostNodes = 20;

/** One line each, in this order; `#` stands for the count. */
const headings: readonly (readonly [kind: Problem["kind"], heading: string])[] = [
  ["leaked", "# IPs that are allocated in IPAM but not actually in use"],
  ["outsidePools", "# in-use IPs that are not in any IP pool"],
  ["notAllocated", "# in-use IPs that are in IP pools but have no corresponding IPAM allocation"],
  ["heldByAnother", "# in-use IPs that are allocated to another pod"],
  ["shared", "# IPs that several pods use"],
  ["orphanedHandle", "# handles with no matching IPs"],
  ["missingHandle", "# handles mentioned in blocks with no matching handle resource"],
  ["inexactHandle", "# handle resources that do not say what blocks say"],
  ["orphanedAffinity", "# affinities for blocks that are not that node's"],
  ["missingAffinity", "# blocks of nodes with no matching affinity"],
  ["nodeGone", "# blocks and affinities of nodes that do not exist"],
  ["blockOutsidePools", "# IPAM blocks that are not in any IP pool"],
  ["overlappingBlocks", "# IPAM blocks that overlap another"],
  ["invalidBlock", "# faults inside IPAM blocks"],
  ["unreadable", "# objects that cannot be read"],
];

function blockLines(
  { after }: ClusterState,
  allocations: readonly CheckedAllocation[],
  { allIps }: ShownDetails,
): readonly string[] {
  const byBlock = Map.groupBy(allocations, ({ block }) => block);
  const cooling = allocations.filter(({ coolingDown }) => coolingDown).length;
  const borrowed = allocations.filter((one) => one.borrowed).length;
  const held = allocations.filter(({ handle }) => isReserve({ handle_id: handle })).length;
  return [
    `Found ${after.length} IPAM blocks.`,
    ...after.flatMap(({ spec: { cidr, affinity = "<none>" } }) => {
      const given = allIps ? (byBlock.get(cidr) ?? []) : [];
      return [` IPAM block ${cidr} affinity=${affinity}:`, ...given.map((one) => `  ${one.ip} ${allocationText(one)}`)];
    }),
    `IPAM blocks record ${allocations.length} allocations, ${cooling} of them cooling down, ${borrowed} borrowed, ${held} held for pods to come.`,
  ];
}

function allocationText({ handle = "<none>", owners, leak, coolingDown }: CheckedAllocation): string {
  if (coolingDown) return `is cooling down; handle ${handle}`;
  return `${leak === undefined ? `belongs to ${owners.join(", ")}` : `is leaked: ${leak}`}; handle ${handle}`;
}

function poolLines({ pools }: ClusterState): readonly string[] {
  const names = pools.map(
    ({ metadata, spec }) => `  ${spec.cidr} (${metadata.name}${spec.disabled ? ", disabled" : ""})`,
  );
  return [`Found ${pools.length} IP pools.`, ...names];
}

function userLines(state: ClusterState): readonly string[] {
  const pods = podsWithAddresses(state);
  const ips = new Set(pods.flatMap((pod) => pod.ips));
  return [`Found ${pods.length} pods, which use ${ips.size} IPs, and ${state.nodes.size} nodes.`];
}

function nodeLines(allocations: readonly CheckedAllocation[]): readonly string[] {
  const byNode = [...Map.groupBy(allocations, ({ node }) => node ?? "<no node>")]
    .map(([node, own]) => ({ node, count: own.length }))
    .toSorted((a, b) => b.count - a.count || compareText(a.node, b.node));
  const most = byNode[0];
  if (most === undefined) return ["No node has allocations."];
  const median = byNode[Math.floor(byNode.length / 2)]?.count ?? 0;
  return [
    `Top ${Math.min(mostNodes, byNode.length)} nodes by allocations:`,
    ...byNode.slice(0, mostNodes).map(({ node, count }) => `  ${node} has ${count} allocations`),
    `Node with most allocations has ${most.count}; median is ${median}`,
  ];
}

function problemLines(
  kind: Problem["kind"],
  heading: string,
  problems: readonly Problem[],
  { allIps, problemIps }: ShownDetails,
): readonly string[] {
  const own = problems.filter((one) => one.kind === kind);
  const details = allIps || problemIps ? own.map(({ subject, message }) => `  ${subject} ${message}`) : [];
  return [`Found ${heading.replace("#", String(own.length))}.`, ...details];
}

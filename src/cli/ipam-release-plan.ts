/** Which addresses may be given back, and what speaks against one. */
import { type IpamBlock, reserveNodeOf } from "../api/ipam-block.ts";
import type { AddressUse } from "../api/node-query.ts";
import type { Pod } from "../api/objects.ts";
import { type Allocation, allocationsOf } from "../ipam/block.ts";
import { msOfTimestamp } from "../ipam/timestamp.ts";
import type { Ip } from "../net/ip.ts";
import { formatAge } from "./age.ts";
import type { LeakedHandle, ReadReport, ReportedAllocation } from "./ipam-report.ts";

/** What all of several reports say is not in use. */
export interface Candidates {
  readonly addresses: readonly ReportedAllocation[];
  readonly handles: readonly LeakedHandle[];
}

/** Only what every report has, and has alike: an address given out anew between two of them is left out. */
export function commonCandidates(reports: readonly ReadReport[]): Candidates {
  const [first, ...others] = reports;
  if (first === undefined) return { addresses: [], handles: [] };
  const unused = ({ allocations }: ReadReport) => allocations.filter((one) => !one.inUse && !one.coolingDown);
  return {
    addresses: unused(first).filter((one) =>
      others.every((other) => unused(other).some((two) => sameHolding(one, two))),
    ),
    handles: first.leakedHandles.filter((one) =>
      others.every(({ leakedHandles }) =>
        leakedHandles.some((two) => two.ID === one.ID && two.Revision === one.Revision),
      ),
    ),
  };
}

/** What has become of reported addresses since. */
export interface Standing {
  readonly held: readonly Allocation[];
  /** Given back meanwhile. */
  readonly free: readonly Ip[];
  /** Given to another holder meanwhile. */
  readonly changed: readonly Ip[];
}

/** Compares reported addresses with what blocks say now. */
export function standingOf(reported: readonly ReportedAllocation[], blocks: readonly IpamBlock[]): Standing {
  const now = new Map(blocks.flatMap(allocationsOf).map((one) => [one.ip, one]));
  const sorted = Map.groupBy(reported, (one) => {
    const found = now.get(one.ip);
    if (found === undefined || found.attribute.releasedAt !== undefined) return "free";
    const { handle_id: handle } = found.attribute;
    return sameHolding({ ...one, handle, sequenceNumber: found.sequenceNumber }, one) ? "held" : "changed";
  });
  const ips = (which: "free" | "changed") => (sorted.get(which) ?? []).map(({ ip }) => ip);
  return {
    held: (sorted.get("held") ?? []).flatMap(({ ip }) => now.get(ip) ?? []),
    free: ips("free"),
    changed: ips("changed"),
  };
}

/** What was found out about one address, just now. */
export interface Evidence {
  /** The pod that it was given to, as the API server has it now; absent when it was given to none. */
  readonly pod?: { readonly key: string; readonly found: Pod | undefined };
  readonly node: string | undefined;
  /** How its node uses the address; or why the node could not be asked. */
  readonly uses: readonly AddressUse[] | Error;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** Why the address must be kept, as a clause; undefined when everything says that nothing uses it. */
export function reasonToKeep({ ip, attribute }: Allocation, evidence: Evidence): string | undefined {
  const { pod, node, uses, nowMs } = evidence;
  const holder = reserveNodeOf(attribute);
  if (holder !== undefined) {
    return (
      `node ${holder} holds it for pods to come, or has just given it to one; its agent gives it back by itself a minute after ` +
      `the node's last new pod, and garbage collection does once the node is gone`
    );
  }
  if (pod === undefined) return "it was given to no pod, so nobody can tell whether it is used";
  const found = pod.found;
  if (found?.ips.includes(ip) && !found.finished) return `pod ${pod.key} has it`;
  // A pod never moves: one of that name on another node is another pod.
  const isSame = found !== undefined && !found.finished && (found.node === undefined || found.node === node);
  if (isSame) return `pod ${pod.key} exists`;
  const givenMs = msOfTimestamp(attribute.secondary?.["timestamp"] ?? "");
  if (givenMs !== undefined && nowMs - givenMs < wiringMs) {
    return `it was given out ${formatAge(nowMs - givenMs)} ago, and may be being wired`;
  }
  if (node === undefined) return "it names no node that could be asked";
  if (uses instanceof Error) return `node ${node} could not be asked whether it uses it: ${uses.message}`;
  const [use] = uses.filter((one) => one.ip === ip);
  return use === undefined ? undefined : `node ${node} uses it: ${useText(use)}`;
}

// --- internal ---

/** A pod's network is wired, or its address given back, in much less. */
const wiringMs = 5 * 60_000;

type Holding = Pick<ReportedAllocation, "ip" | "handle" | "sequenceNumber">;

function sameHolding(a: Holding, b: Holding): boolean {
  return a.ip === b.ip && a.handle === b.handle && a.sequenceNumber === b.sequenceNumber;
}

function useText({ kind, interface: name, namespace, pod }: AddressUse): string {
  const whose = pod === undefined ? "" : ` of pod ${pod}`;
  return `${kind} ${name}${whose} in ${namespace}`;
}

/** Which addresses look leaked, as far as the watch cache can tell. It decides nothing: see `judge`. */
import { type AllocationAttribute, type IpamBlock, isReserve, windowsReservedHandle } from "../../api/ipam-block.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../api/names.ts";
import type { Pod } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, firstIp } from "../../net/cidr.ts";
import { type Ip, ipPlus } from "../../net/ip.ts";

/** One address that is given out. */
export interface Holding {
  readonly ip: Ip;
  readonly block: Cidr;
  readonly handle: string | undefined;
  /** The block's number of the allocation; undefined where another product's record has none. */
  readonly sequenceNumber: bigint | undefined;
  /** Where it was given out, as the allocation says. */
  readonly node: NodeName | undefined;
  readonly pod: NamespacedName | undefined;
  readonly attribute: AllocationAttribute;
}

/** An address that looks leaked. */
export interface Candidate extends Holding {
  readonly node: NodeName;
  /** A short phrase. */
  readonly reason: string;
  /** Since when it has looked so in every pass, in milliseconds of the caller's monotonic clock. */
  readonly sinceMs: number;
}

/** As much of a snapshot as it takes. */
export type HoldingsView = Pick<Snapshot, "ipamBlock" | "pod" | "node">;

/** Every address that is given out, without those that were given back and cool down. */
export function holdingsOf(blocks: Iterable<IpamBlock>): readonly Holding[] {
  return [...blocks].flatMap(holdingsIn);
}

/**
 * The addresses whose handle has leaked as a whole: one that is in order keeps all others of its handle. An allocation
 * that is not the same as at the last pass begins anew.
 */
export function findCandidates(view: HoldingsView, known: readonly Candidate[], nowMs: number): readonly Candidate[] {
  const since = new Map(known.map((one) => [holdingKey(one), one.sinceMs]));
  const judged = holdingsOf(view.ipamBlock.values()).map((one) => candidateOf(one, view, since, nowMs));
  return onlyWholeHandles(judged, (one) => "reason" in one).filter((one) => "reason" in one);
}

/** Those that have looked leaked for `graceMs`, each with its whole handle. */
export function ripe(candidates: readonly Candidate[], graceMs: number, nowMs: number): readonly Candidate[] {
  return onlyWholeHandles(candidates, ({ sinceMs }) => nowMs - sinceMs >= graceMs);
}

/**
 * Why the address is not, or no longer, rightly held; undefined while it may be. What nobody can be asked about counts as
 * rightly held: an allocation of no pod, or of no node.
 */
export function whyLeaked(holding: Holding, found: Pod | undefined, nodeExists: boolean): string | undefined {
  const { ip, handle, node, pod, attribute } = holding;
  const { secondary = {}, alternateOwnerAttrs = {} } = attribute;
  if (handle?.toLowerCase() === windowsReservedHandle || Object.keys(alternateOwnerAttrs).length > 0) return undefined;
  if (node === undefined) return undefined;
  if (isOfNode(holding)) {
    if (nodeExists) return undefined;
    if (isReserve(attribute)) return "held for pods to come by a node gone";
    return isTunnel(attribute) ? "tunnel address of a node gone" : "network's address of a node gone";
  }
  if (pod === undefined || machineAttributes.some((name) => secondary[name])) return undefined;
  if (found === undefined) return nodeExists ? "pod gone" : "node gone";
  if (found.finished) return "pod finished";
  if (!found.hostNetwork && found.ips.includes(ip)) return undefined;
  if (found.node !== undefined && found.node !== node) return `pod moved to node ${found.node}`;
  // The kubelet has not yet told of its addresses: this may be the one.
  if (found.ips.length === 0) return undefined;
  return found.hostNetwork ? "pod is on the host's network" : "container replaced";
}

/**
 * True for an address that stays for as long as there is its node, and goes with it, whatever pods there are: of the node's
 * own tunnel interface, held by the CNI for a network itself, such as a bridge's gateway, or held for pods to come.
 */
export function isOfNode(holding: Holding): boolean {
  return isTunnel(holding.attribute) || isReserve(holding.attribute) || isOfNetwork(holding);
}

/**
 * True when the pod lives where the address was given out, with other addresses: it may be of a second interface, which no
 * pod's status lists. That its node uses it is then no surprise.
 */
export function mayBeSecondary({ ip, node }: Holding, found: Pod | undefined): boolean {
  if (found === undefined || found.finished || found.hostNetwork) return false;
  return found.node === node && found.ips.length > 0 && !found.ips.includes(ip);
}

/** What counts where there is a limit, one text each: all that a node holds for pods to come is one, as its tunnel's address. */
export function countedOf(holdings: readonly Holding[]): ReadonlySet<string> {
  return new Set(holdings.map((one) => (isReserve(one.attribute) && one.handle) || holdingKey(one)));
}

/** The same text for the same allocation only: one that was freed and made again has another. */
export function holdingKey({ ip, handle, sequenceNumber }: Holding): string {
  return JSON.stringify([ip, handle ?? null, sequenceNumber === undefined ? null : String(sequenceNumber)]);
}

// --- internal ---

/** Upstream's marks (libcalico-go/lib/ipam). */
const tunnelTypes: ReadonlySet<string> = new Set([
  ...["ipipTunnelAddress", "vxlanTunnelAddress", "vxlanV6TunnelAddress"],
  ...["wireguardTunnelAddress", "wireguardV6TunnelAddress"],
]);
/** The address is a virtual machine's, which outlives its pod. */
const machineAttributes = ["vmi-name", "vmi-uid", "vm-uid"] as const;

function isTunnel({ secondary }: AllocationAttribute): boolean {
  return tunnelTypes.has(secondary?.["type"] ?? "");
}

/** By its handle, `NETWORK:NODE:IP`; no container's handle has a colon. */
function isOfNetwork({ ip, handle = "", node, pod }: Holding): boolean {
  const end = `:${node}:${ip}`;
  return pod === undefined && handle.length > end.length && handle.endsWith(end);
}

/** Without the addresses of handles of which one address fails the test. An allocation of no handle stands alone. */
function onlyWholeHandles<T extends Holding>(holdings: readonly T[], passes: (one: T) => boolean): readonly T[] {
  const failed = new Set(holdings.filter((one) => !passes(one)).map(({ handle }) => handle));
  return holdings.filter((one) => passes(one) && (one.handle === undefined || !failed.has(one.handle)));
}

function holdingsIn({ spec }: IpamBlock): readonly Holding[] {
  if (spec.deleted) return [];
  return spec.allocations.flatMap((index, ordinal) => {
    const attribute = index === null ? undefined : (spec.attributes[index] ?? {});
    if (attribute === undefined || attribute.releasedAt !== undefined) return [];
    const { node, namespace, pod } = attribute.secondary ?? {};
    return [
      {
        ip: ipPlus(firstIp(spec.cidr), ordinal),
        block: spec.cidr,
        handle: attribute.handle_id || undefined,
        sequenceNumber: spec.sequenceNumberForAllocation[ordinal],
        node: node ? (node as NodeName) : undefined,
        pod: namespace && pod ? namespacedName(namespace, pod) : undefined,
        attribute,
      },
    ];
  });
}

function candidateOf(
  holding: Holding,
  view: HoldingsView,
  since: ReadonlyMap<string, number>,
  nowMs: number,
): Holding | Candidate {
  const { node, pod } = holding;
  if (node === undefined) return holding;
  const found = pod === undefined ? undefined : view.pod.get(pod);
  const reason = whyLeaked(holding, found, view.node.has(node));
  if (reason === undefined) return holding;
  return { ...holding, node, reason, sinceMs: since.get(holdingKey(holding)) ?? nowMs };
}

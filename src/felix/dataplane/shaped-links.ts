import type { Link, Netlink } from "../../host/netlink/netlink.ts";
import type { Filter, Qdisc, TokenBucket, TrafficControl } from "../../host/netlink/traffic-control.ts";
import { ifbPrefix } from "./ifb-name.ts";

/**
 * The handle of our token buckets, `ca11:`. Upstream and the CNI plugin `bandwidth` take `1:` for theirs: so nobody's is
 * taken for ours, whatever made it.
 */
export const ourHandle = 0xca11_0000;

/** What of a link's traffic control matters here. */
export interface LinkControl {
  readonly link: Link;
  /** A root that somebody has put there; the kernel's own default does not count. */
  readonly root: Qdisc | undefined;
  readonly ingress: IngressControl;
}

/**
 * The ingress of a link. `ours`: all of its filters redirect to our ifb devices, or to a device that is gone, where
 * everything is lost; `empty`: it has no filter, so it does nothing, whoever made it; `foreign`: it has another.
 */
type IngressControl =
  | { readonly kind: "none" | "empty" }
  | { readonly kind: "ours"; readonly redirectsTo: readonly (number | undefined)[] }
  | { readonly kind: "foreign"; readonly what: string };

/** Workload interfaces and our ifb devices, by name. */
export type LinkControls = ReadonlyMap<string, LinkControl>;

/** Reads those links that begin with `interfacePrefix` or `ifbPrefix`. Rejects with a `NetlinkError`. */
export async function readControls(
  netlink: Pick<Netlink, "links">,
  trafficControl: TrafficControl,
  interfacePrefix: string,
): Promise<LinkControls> {
  const links = await netlink.links();
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const qdiscs = await trafficControl.qdiscs();
  const roots = new Map(qdiscs.filter(isPut).map((one) => [one.linkIndex, one]));
  const ingresses = new Map(qdiscs.filter(({ place }) => place === "ingress").map((one) => [one.linkIndex, one]));
  const found = new Map<string, LinkControl>();
  for (const link of links) {
    if (!link.name.startsWith(interfacePrefix) && !link.name.startsWith(ifbPrefix)) continue;
    const qdisc = ingresses.get(link.index);
    const filters = qdisc === undefined ? [] : await trafficControl.ingressFilters(link.index);
    found.set(link.name, { link, root: roots.get(link.index), ingress: ingressOf(qdisc, filters, names) });
  }
  return found;
}

/** The bucket as a link of this MTU needs it: a packet that is larger than the burst would never pass. */
export function fitToLink(bucket: TokenBucket, mtu: number): TokenBucket {
  const frame = mtu + ETHERNET_HEADER_BYTES;
  return {
    ...bucket,
    burst: Math.max(bucket.burst, frame),
    ...(bucket.peakRate === undefined ? {} : { minBurst: Math.max(bucket.minBurst ?? 0, frame) }),
  };
}

/** Whether a bucket that was read is the one that was written, but for what the kernel rounds. */
export function isSameBucket(read: TokenBucket | undefined, written: TokenBucket): boolean {
  if (read === undefined) return false;
  const isNear = (a: number, b: number, rate: number) => Math.abs(a - b) <= 1 + rate * ROUNDING_SECONDS;
  return (
    read.rate === written.rate &&
    read.limit === written.limit &&
    read.peakRate === written.peakRate &&
    isNear(read.burst, written.burst, written.rate) &&
    isNear(read.minBurst ?? 0, written.minBurst ?? 0, written.peakRate ?? 0)
  );
}

/** E.g. `tbf 1:`, as tc(8) prints it. */
export function describeQdisc({ kind, handle }: Qdisc): string {
  return `${kind} ${(handle >>> 16).toString(16)}:`;
}

// --- internal ---

const ETHERNET_HEADER_BYTES = 14;
/** Two ticks. */
const ROUNDING_SECONDS = 128e-9;

function isPut({ place, handle }: Qdisc): boolean {
  return place === "root" && handle !== 0;
}

function ingressOf(
  qdisc: Qdisc | undefined,
  filters: readonly Filter[],
  names: ReadonlyMap<number, string>,
): IngressControl {
  if (qdisc === undefined) return { kind: "none" };
  // A clsact qdisc has filters of two directions, of which only one was read.
  if (qdisc.kind !== "ingress") return { kind: "foreign", what: describeQdisc(qdisc) };
  if (filters.length === 0) return { kind: "empty" };
  const targets = filters.map(({ redirectsTo }) => (redirectsTo === undefined ? undefined : names.get(redirectsTo)));
  const foreign = filters.findIndex(
    ({ redirectsTo }, index) => redirectsTo === undefined || targets[index]?.startsWith(ifbPrefix) === false,
  );
  if (foreign < 0) return { kind: "ours", redirectsTo: filters.map(({ redirectsTo }) => redirectsTo) };
  return { kind: "foreign", what: `a filter ${filters[foreign]?.kind} ${targets[foreign] ?? ""}`.trim() };
}

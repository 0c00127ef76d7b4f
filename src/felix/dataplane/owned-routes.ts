import type { KernelRoute } from "../../host/netlink/netlink.ts";
import { cidrVersion } from "../../net/cidr.ts";

/** Which routes to workload interfaces are ours. */
export interface RouteOwnership {
  /** rtm_protocol of what we write (upstream's `deviceRouteProtocol`). */
  readonly protocol: number;
  /** Upstream's `removeExternalRoutes`: every route to a workload interface is ours, so that what we do not want goes. */
  readonly removesExternal: boolean;
}

/**
 * Whether a route to a workload interface is ours: as Felix decides it, of our protocol, or any when external ones are to go.
 * But never what the kernel made by itself, such as `fe80::/64` or the network of an address.
 */
export function isOurRoute(
  { protocol, type }: KernelRoute,
  { protocol: own, removesExternal }: RouteOwnership,
): boolean {
  if (protocol === KERNEL || type !== "unicast") return false;
  return removesExternal || protocol === own;
}

/** Whether the kernel's route is the one that was, or would be, written. */
export function isSameRoute(kernels: KernelRoute, written: KernelRoute): boolean {
  return (
    kernels.linkIndex === written.linkIndex &&
    kernels.protocol === written.protocol &&
    kernels.gateway === undefined &&
    kernels.source === written.source &&
    metricOf(kernels) === metricOf(written)
  );
}

/** As the kernel has it: IPv6 has no route without a metric (IP6_RT_PRIO_USER). */
export function metricOf({ destination, metric = 0 }: KernelRoute): number {
  return metric === 0 && cidrVersion(destination) === 6 ? 1024 : metric;
}

// --- internal ---

/** RTPROT_KERNEL. */
const KERNEL = 2;

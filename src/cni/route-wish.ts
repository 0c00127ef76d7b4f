import { hostCidr, parseCidr, prefixLength } from "../net/cidr.ts";
import { versionOf } from "../net/ip.ts";
import { isPrimary, type StoredAttachment } from "./attachments.ts";
import type { NetConf } from "./net-conf.ts";
import { gateways, type Wiring } from "./wire.ts";

/**
 * The routes that the pod is to have by an interface. Another IPAM plugin's routes stand for the configuration's, and as
 * upstream for the default routes too, unless these are asked for; their gateways say nothing, as the only way out of a pod is
 * its node. A further interface never takes over the pod's way out, nor the way to its gateway.
 */
export function routeWish(
  attachment: Pick<StoredAttachment, "hostInterface" | "pod" | "addresses" | "ipam">,
  { ipam, include_default_routes: asked }: Pick<NetConf, "ipam" | "include_default_routes">,
): Pick<Wiring, "includeDefaultRoutes" | "isFurther" | "routes"> {
  const isFurther = !isPrimary(attachment);
  const routes = attachment.ipam === undefined ? ipam.routes : executedRoutes(attachment);
  if (isFurther) {
    const harmless = routes.filter(({ dst }) => !isWayOut(dst)).map(({ dst }) => ({ dst }));
    return { isFurther, includeDefaultRoutes: false, routes: harmless };
  }
  return { isFurther, routes, includeDefaultRoutes: asked ?? (attachment.ipam === undefined || routes.length === 0) };
}

// --- internal ---

/** A family that the pod has no address of needs no route, though one configuration may serve pods of either. */
function executedRoutes({ ipam, addresses }: Pick<StoredAttachment, "addresses" | "ipam">): Wiring["routes"] {
  const has = new Set(addresses.map((ip) => versionOf(ip)));
  return (ipam?.routes ?? []).filter(({ dst }) => has.has(versionOf(dst))).map(({ dst }) => ({ dst }));
}

/** What cannot be read is no concern of this: it is refused where the route is made. */
function isWayOut(dst: string): boolean {
  try {
    const cidr = parseCidr(dst);
    return prefixLength(cidr) === 0 || [gateways[4], gateways[6]].some((ip) => hostCidr(ip) === cidr);
  } catch {
    return false;
  }
}

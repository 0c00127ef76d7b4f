import type { KernelRoute, Netlink } from "../../host/netlink/netlink.ts";
import { type Cidr, cidrVersion, prefixLength } from "../../net/cidr.ts";
import { bitsOf } from "../../net/ip.ts";
import { diff } from "../../reconcile/delta.ts";
import type { Route } from "../render/desired-state.ts";
import type { Drift, RouteDriver } from "./dataplane.ts";

/** rtm_protocol of our routes: RTPROT_BOOT, upstream's `deviceRouteProtocol` default. */
const routeProtocol = 3;

/**
 * The routes to local endpoints. Ours are the host routes (/32 and /128) of our protocol, in the main table, on an
 * interface whose name begins with `interfacePrefix`. A route is written again when its interface was made anew, since
 * the kernel drops routes with their link.
 */
export class NetlinkRouteDriver implements RouteDriver {
  readonly #netlink: Netlink;
  readonly #interfacePrefix: string;
  #actual: Map<Cidr, OwnedRoute> | undefined;

  constructor(netlink: Netlink, interfacePrefix: string) {
    this.#netlink = netlink;
    this.#interfacePrefix = interfacePrefix;
  }

  async upsert(routes: ReadonlyMap<Cidr, Route>): Promise<void> {
    const actual = await this.#read();
    const links = await this.#linkIndexes();
    const desired = new Map<Cidr, OwnedRoute>();
    for (const [destination, { hostInterface }] of routes) {
      const linkIndex = links.get(hostInterface);
      // An interface that is gone takes its route with it; its attachment is closed by DEL, not here.
      if (linkIndex !== undefined) desired.set(destination, { hostInterface, linkIndex });
    }
    const { upserts } = diff(desired, actual, (a, b) => a.linkIndex === b.linkIndex);
    await this.#netlink.replaceRoutes(
      [...upserts].map(([destination, { linkIndex }]) => kernelRoute(destination, linkIndex)),
    );
    for (const [destination, route] of upserts) actual.set(destination, route);
  }

  async prune(routes: ReadonlyMap<Cidr, Route>): Promise<void> {
    const actual = await this.#read();
    // A route that moves to another interface counts as gone: the new one must not stand before its policy does.
    const gone = [...actual].filter(([key, { hostInterface }]) => routes.get(key)?.hostInterface !== hostInterface);
    await this.#netlink.deleteRoutes(gone.map(([key, { linkIndex }]) => kernelRoute(key, linkIndex)));
    for (const [key] of gone) actual.delete(key);
  }

  async drift(routes: ReadonlyMap<Cidr, Route>): Promise<readonly Drift[]> {
    this.forget();
    const actual = await this.#read();
    const links = await this.#linkIndexes();
    return [...routes].flatMap(([destination, { hostInterface }]): readonly Drift[] => {
      const found = actual.get(destination);
      // The route of an interface that is gone went with it.
      if (!links.has(hostInterface) || found?.hostInterface === hostInterface) return [];
      const difference = found === undefined ? "it is not there" : `it leads to ${found.hostInterface}`;
      return [{ part: "routes", where: `route ${destination} dev ${hostInterface}`, difference }];
    });
  }

  forget(): void {
    this.#actual = undefined;
  }

  async #read(): Promise<Map<Cidr, OwnedRoute>> {
    if (this.#actual !== undefined) return this.#actual;
    const names = new Map([...(await this.#linkIndexes())].map(([name, index]) => [index, name]));
    const actual = new Map<Cidr, OwnedRoute>();
    for (const version of [4, 6] as const) {
      for (const { destination, linkIndex, protocol } of await this.#netlink.routes(version)) {
        const hostInterface = names.get(linkIndex ?? 0);
        if (hostInterface === undefined || linkIndex === undefined) continue;
        if (protocol !== routeProtocol || !isHostRoute(destination)) continue;
        actual.set(destination, { hostInterface, linkIndex });
      }
    }
    this.#actual = actual;
    return actual;
  }

  async #linkIndexes(): Promise<Map<string, number>> {
    const links = await this.#netlink.links();
    return new Map(
      links.filter(({ name }) => name.startsWith(this.#interfacePrefix)).map(({ name, index }) => [name, index]),
    );
  }
}

// --- internal ---

interface OwnedRoute {
  readonly hostInterface: string;
  readonly linkIndex: number;
}

function isHostRoute(destination: Cidr): boolean {
  return prefixLength(destination) === bitsOf(cidrVersion(destination));
}

/** IPv6 routes have no link scope in the kernel (it reports universe). */
function kernelRoute(destination: Cidr, linkIndex: number): KernelRoute {
  return {
    destination,
    linkIndex,
    protocol: routeProtocol,
    ...(cidrVersion(destination) === 4 ? { scope: "link" as const } : {}),
  };
}

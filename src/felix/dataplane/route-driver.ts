import type { KernelRoute, Netlink } from "../../host/netlink/netlink.ts";
import { type Cidr, cidrVersion } from "../../net/cidr.ts";
import { Writes } from "../../reconcile/writes.ts";
import type { Route } from "../render/desired-state.ts";
import type { Drift, RouteDriver } from "./dataplane.ts";
import { isOurRoute, isSameRoute, metricOf, type RouteOwnership } from "./owned-routes.ts";

/**
 * The routes to local endpoints, in the main table. Ours are those on an interface whose name begins with `interfacePrefix` that
 * `isOurRoute` says are. A route is written again when its interface was made anew, since the kernel drops routes with their
 * link: that is looked at when they are asked for again, as most passes cost less than a list of all links. One that is to have
 * another metric stands beside the old one before that goes.
 */
export class NetlinkRouteDriver implements RouteDriver {
  readonly #netlink: Netlink;
  readonly #interfacePrefix: string;
  readonly #ownership: RouteOwnership;
  #actual: Map<Cidr, readonly OwnedRoute[]> | undefined;
  readonly #writes = new Writes();

  constructor(netlink: Netlink, interfacePrefix: string, ownership: Partial<RouteOwnership> = {}) {
    this.#netlink = netlink;
    this.#interfacePrefix = interfacePrefix;
    this.#ownership = { protocol: BOOT, removesExternal: true, ...ownership };
  }

  async upsert(routes: ReadonlyMap<Cidr, Route>, asked?: "again"): Promise<void> {
    const actual = await this.#read();
    const doubtful =
      asked === "again"
        ? [...routes.values()]
        : [...routes.values()].filter((route) => !this.#stands(route, actual.get(route.destination)));
    if (doubtful.length === 0) return;
    const links = await this.#linksOf(doubtful);
    const changes: Change[] = [];
    for (const route of doubtful) {
      // An interface that is gone takes its route with it; its attachment is closed by DEL, not here. One that is down takes none.
      const link = links.get(route.hostInterface);
      if (link === undefined || !link.up) continue;
      const wanted = this.#kernelRoute(route, link.index);
      const found = actual.get(route.destination) ?? [];
      const isThere = found.some((one) => isSameRoute(one.route, wanted));
      const superfluous = found.filter(({ route: one }) => !isSameRoute(one, wanted));
      if (isThere && superfluous.length === 0) continue;
      changes.push({ wanted: { hostInterface: route.hostInterface, route: wanted }, isThere, superfluous });
    }
    if (changes.length === 0) return;
    await this.#writes.during(async () => {
      await this.#netlink.replaceRoutes(changes.flatMap(({ wanted, isThere }) => (isThere ? [] : [wanted.route])));
      // Those of the same metric have been replaced.
      await this.#netlink.deleteRoutes(changes.flatMap(({ wanted, superfluous }) => beside(wanted.route, superfluous)));
    });
    for (const { wanted } of changes) actual.set(wanted.route.destination, [wanted]);
  }

  async prune(routes: ReadonlyMap<Cidr, Route>): Promise<void> {
    const actual = await this.#read();
    const gone: OwnedRoute[] = [];
    for (const [destination, found] of actual) {
      // A route that moves to another interface counts as gone: the new one must not stand before its policy does.
      const wanted = routes.get(destination)?.hostInterface;
      if (found.every(({ hostInterface }) => hostInterface === wanted)) continue;
      const kept = found.filter(({ hostInterface }) => hostInterface === wanted);
      gone.push(...found.filter((one) => !kept.includes(one)));
      if (kept.length === 0) actual.delete(destination);
      else actual.set(destination, kept);
    }
    if (gone.length === 0) return;
    await this.#writes.during(() => this.#netlink.deleteRoutes(gone.map(({ route }) => route)));
  }

  async drift(routes: ReadonlyMap<Cidr, Route>): Promise<readonly Drift[]> {
    const isValid = this.#writes.reading();
    const actual = await this.#readKernel();
    const links = await this.#links();
    if (!isValid()) return [];
    this.#actual = actual;
    const missing = [...routes.values()].flatMap((route): readonly Drift[] => {
      const link = links.get(route.hostInterface);
      // The route of an interface that is gone went with it.
      if (link === undefined || !link.up) return [];
      const found = actual.get(route.destination) ?? [];
      const difference = differenceOf(this.#kernelRoute(route, link.index), found);
      return difference === undefined ? [] : [driftOf(route, difference)];
    });
    const strange = [...actual.values()]
      .flat()
      .filter(({ hostInterface, route }) => routes.get(route.destination)?.hostInterface !== hostInterface);
    const others = strange.map(({ hostInterface, route }) =>
      driftOf({ destination: route.destination, hostInterface }, "it is there and should not be"),
    );
    return [...missing, ...others];
  }

  forget(): void {
    this.#actual = undefined;
  }

  async #read(): Promise<Map<Cidr, readonly OwnedRoute[]>> {
    this.#actual ??= await this.#readKernel();
    return this.#actual;
  }

  async #readKernel(): Promise<Map<Cidr, readonly OwnedRoute[]>> {
    const names = new Map([...(await this.#links())].map(([name, { index }]) => [index, name]));
    const actual = new Map<Cidr, readonly OwnedRoute[]>();
    for (const version of [4, 6] as const) {
      for (const route of await this.#netlink.routes(version)) {
        const hostInterface = names.get(route.linkIndex ?? 0);
        if (hostInterface === undefined || !isOurRoute(route, this.#ownership)) continue;
        actual.set(route.destination, [...(actual.get(route.destination) ?? []), { hostInterface, route }]);
      }
    }
    return actual;
  }

  /** Whether the one route that is there to its destination is the wanted one, if its interface is still the same. */
  #stands(route: Route, found: readonly OwnedRoute[] = []): boolean {
    const [first, ...others] = found;
    if (first === undefined || others.length > 0 || first.hostInterface !== route.hostInterface) return false;
    return isSameRoute(first.route, this.#kernelRoute(route, first.route.linkIndex ?? 0));
  }

  /** The interfaces of these routes: few are looked up by themselves. */
  async #linksOf(routes: readonly Route[]): Promise<Links> {
    const names = new Set(routes.map(({ hostInterface }) => hostInterface));
    if (names.size > fewLinks) return this.#links();
    const links: Map<string, LinkState> = new Map();
    for (const name of names) {
      const link = name.startsWith(this.#interfacePrefix) ? await this.#netlink.link(name) : undefined;
      if (link !== undefined) links.set(name, link);
    }
    return links;
  }

  async #links(): Promise<Links> {
    const links = await this.#netlink.links();
    return new Map(
      links
        .filter(({ name }) => name.startsWith(this.#interfacePrefix))
        .map(({ name, index, up }) => [name, { index, up }]),
    );
  }

  /** IPv6 routes have no link scope in the kernel (it reports universe). */
  #kernelRoute({ destination, metric, source }: Route, linkIndex: number): KernelRoute {
    return {
      destination,
      linkIndex,
      protocol: this.#ownership.protocol,
      ...(cidrVersion(destination) === 4 ? { scope: "link" as const } : {}),
      ...(metric === undefined ? {} : { metric }),
      ...(source === undefined ? {} : { source }),
    };
  }
}

// --- internal ---

/** RTPROT_BOOT, upstream's `deviceRouteProtocol` default. */
const BOOT = 3;

/** For more, the list of all is asked for once. */
const fewLinks = 8;

interface LinkState {
  readonly index: number;
  readonly up: boolean;
}

type Links = ReadonlyMap<string, LinkState>;

interface OwnedRoute {
  readonly hostInterface: string;
  readonly route: KernelRoute;
}

interface Change {
  readonly wanted: OwnedRoute;
  readonly isThere: boolean;
  readonly superfluous: readonly OwnedRoute[];
}

/** Those that the kernel has beside the wanted one, once that is written. */
function beside(wanted: KernelRoute, others: readonly OwnedRoute[]): readonly KernelRoute[] {
  return others
    .map(({ route }) => route)
    .filter((one) => metricOf(one) !== metricOf(wanted) || one.linkIndex !== wanted.linkIndex);
}

function differenceOf(wanted: KernelRoute, found: readonly OwnedRoute[]): string | undefined {
  const [first] = found;
  if (first === undefined) return "it is not there";
  const others = found.filter(({ route }) => !isSameRoute(route, wanted));
  if (others.length < found.length) return others.length === 0 ? undefined : "there is another one beside it";
  if (first.route.linkIndex !== wanted.linkIndex) return `it leads to ${first.hostInterface}`;
  return "it has another metric, source, next hop or protocol";
}

function driftOf({ destination, hostInterface }: Route, difference: string): Drift {
  return { part: "routes", where: `route ${destination} dev ${hostInterface}`, difference };
}

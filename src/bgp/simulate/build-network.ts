import type { NodeName } from "../../api/names.ts";
import { fnv1a } from "../../net/fnv.ts";
import { type Ip, type IpVersion, ipToNumber, ipv4ToNumber, versionOf } from "../../net/ip.ts";
import type { BirdConfig, FamilyConfig, Session } from "../plan/bird-config.ts";
import type { BirdFilter } from "../plan/bird-filter.ts";
import type { DownSession, End, Network, Router } from "./network.ts";
import type { OutsideRouter } from "./outside-router.ts";
import { type ConfiguredEnd, sessionFault, shownAs, sourceOf } from "./session-fault.ts";

/** A router while its ends are being found. */
interface RouterParts {
  readonly router: Router & { readonly ends: End[]; outwardEnds: readonly End[]; hasBestOnlyEnds: boolean };
  readonly node: NodeName | undefined;
  readonly config: BirdConfig | undefined;
  readonly family: FamilyConfig | undefined;
  readonly filters: ReadonlyMap<string, BirdFilter>;
  readonly role: OutsideRouter["role"];
  readonly exportClasses: ExportClass[];
}

/**
 * Joins the nodes' sessions of one family to a network. A neighbour that is neither a node nor one of `outside` becomes an
 * outside router by itself that passes routes on. Pods as neighbours take part in nothing: they are no routers.
 */
export function buildNetwork(
  version: IpVersion,
  configs: ReadonlyMap<NodeName, BirdConfig>,
  outside: readonly OutsideRouter[],
): Network {
  const builder = new NetworkBuilder(version);
  for (const [node, config] of configs) builder.addNode(node, config);
  for (const router of outside) builder.addOutside(router);
  builder.join();
  return builder.network();
}

// --- internal ---

class NetworkBuilder {
  readonly #version: IpVersion;
  readonly #routers: RouterParts[] = [];
  readonly #routerAt = new Map<Ip, RouterParts>();
  readonly #down: DownSession[] = [];
  /** Equal filters and lists of several nodes are one value, so that what is worked out of one serves all. */
  readonly #shared = new Map<string, object>();
  readonly #joined = new Set<Session>();
  #established = 0;

  constructor(version: IpVersion) {
    this.#version = version;
  }

  addNode(node: NodeName, config: BirdConfig): void {
    const family = config.families.find((one) => one.version === this.#version);
    if (family === undefined) return;
    const own = config.filters.filter((filter) => filter.version === this.#version);
    const filters = new Map(own.map((filter) => [filter.name, this.#share(filter)]));
    const { hidden, pools } = family.exports;
    const router = this.#router({
      ...{ node, routerId: ipv4ToNumber(config.routerId), localAs: config.localAs },
      policy: { ...family.exports, hidden: this.#share(hidden), pools: this.#share(pools) },
      normalRoutePriority: family.normalRoutePriority,
    });
    this.#add({ router, node, config, family, filters, role: "passes on", exportClasses: [] }, [family.address]);
  }

  addOutside({ addresses, role }: OutsideRouter): void {
    const own = addresses.filter((address) => versionOf(address) === this.#version && !this.#routerAt.has(address));
    const [first] = own;
    if (first === undefined) return;
    const routerId = this.#version === 4 ? ipv4ToNumber(first) : fnv1a(first);
    const about = { node: undefined, policy: undefined, localAs: 0, normalRoutePriority: 0 };
    const router = this.#router({ ...about, routerId });
    const nothing = { node: undefined, config: undefined, family: undefined, filters: new Map() };
    this.#add({ router, ...nothing, role, exportClasses: [] }, own);
  }

  /** Makes both ends of every session that comes up. */
  join(): void {
    const sessionsOf = new Map<RouterParts, ReadonlyMap<Ip, Session>>();
    const nodes = this.#routers.filter(({ family }) => family !== undefined);
    for (const parts of nodes) {
      const routers = parts.family?.sessions.filter(({ kind }) => kind !== "workload") ?? [];
      sessionsOf.set(parts, new Map(routers.map((session) => [session.neighbor, session])));
    }
    for (const [parts, sessions] of sessionsOf) {
      for (const session of sessions.values()) {
        if (!this.#routerAt.has(session.neighbor))
          this.addOutside({ addresses: [session.neighbor], role: "passes on" });
        const other = this.#routerAt.get(session.neighbor) as RouterParts;
        const back = sessionsOf.get(other);
        if (back === undefined) this.#joinOutside(parts, session, other);
        else this.#joinNodes(parts, session, { parts: other, sessions: back });
      }
    }
  }

  network(): Network {
    for (const { router } of this.#routers) {
      router.outwardEnds = router.ends.filter(
        ({ internal, cluster, localAs }) => !internal || cluster !== undefined || localAs !== router.localAs,
      );
      router.hasBestOnlyEnds = router.ends.some(({ addPath }) => !addPath);
    }
    return {
      version: this.#version,
      routers: this.#routers.map(({ router }) => router),
      routerAt: new Map([...this.#routerAt].map(([address, { router }]) => [address, router])),
      down: this.#down,
      established: this.#established,
    };
  }

  #router(about: Pick<Router, "node" | "routerId" | "localAs" | "policy" | "normalRoutePriority">) {
    const ends: End[] = [];
    return { index: this.#routers.length, ...about, ends, outwardEnds: [], hasBestOnlyEnds: false };
  }

  #add(parts: RouterParts, addresses: readonly Ip[]): void {
    this.#routers.push(parts);
    for (const address of addresses) this.#routerAt.set(address, parts);
  }

  #share<T extends object>(value: T): T {
    const key = JSON.stringify(value);
    const known = this.#shared.get(key);
    if (known === undefined) this.#shared.set(key, value);
    return (known ?? value) as T;
  }

  #joinNodes(
    parts: RouterParts,
    session: Session,
    other: { readonly parts: RouterParts; readonly sessions: ReadonlyMap<Ip, Session> },
  ): void {
    // Each session is met from both of its ends, and made from the first.
    if (this.#joined.has(session)) return;
    const own = configuredEnd(parts, session);
    const theirs = other.sessions.get(sourceOf(own));
    if (theirs === undefined) {
      this.#fail(own, `${other.parts.node} has no session with ${sourceOf(own)}`);
      return;
    }
    const remote = configuredEnd(other.parts, theirs);
    const fault = sessionFault(own, remote);
    if (fault !== undefined) {
      this.#fail(own, fault);
      return;
    }
    this.#joined.add(theirs);
    this.#link(nodeEnd(parts, own), nodeEnd(other.parts, remote));
  }

  #joinOutside(parts: RouterParts, session: Session, other: RouterParts): void {
    const own = configuredEnd(parts, session);
    const absent = other.role === "is absent" ? `nobody is at ${session.neighbor}` : undefined;
    const fault = session.held ?? absent;
    if (fault !== undefined) {
      this.#fail(own, fault);
      return;
    }
    const end = nodeEnd(parts, own);
    this.#link({ ...end, addPath: false }, outsideEnd(other, end));
  }

  #fail({ node, session }: ConfiguredEnd, reason: string): void {
    this.#down.push({ node, name: session.name, neighbor: session.neighbor, reason });
  }

  #link(a: OwnEnd, b: OwnEnd): void {
    this.#established += 1;
    const left = a as Linked;
    const right = b as Linked;
    left.remote = right;
    right.remote = left;
    (a.router.ends as End[]).push(left);
    (b.router.ends as End[]).push(right);
  }
}

type OwnEnd = Omit<End, "remote">;
type Linked = OwnEnd & { remote: End };

function configuredEnd({ node, config, family }: RouterParts, session: Session): ConfiguredEnd {
  return { node, config, address: family?.address, session } as ConfiguredEnd;
}

// A mesh of a thousand nodes has a million ends: hence plain objects in one form.
function nodeEnd(parts: RouterParts, own: ConfiguredEnd): OwnEnd {
  const { session } = own;
  const { neighbor, reflectorCluster, nextHop } = session;
  const [address, localAs] = [sourceOf(own), shownAs(own)];
  const internal = localAs === session.neighborAs;
  const cluster = reflectorCluster === undefined ? undefined : ipv4ToNumber(reflectorCluster);
  const exportFilters = filtersCalled(parts, session.exportFilters);
  return {
    router: parts.router,
    address,
    neighbor,
    neighborOrder: orderOf(neighbor),
    localAs,
    neighborAs: session.neighborAs,
    internal,
    cluster,
    nextHop,
    allowedLocalAs: session.allowedLocalAs,
    addPath: true,
    importFilters: filtersCalled(parts, session.importFilters),
    exportFilters,
    exportClass: exportClassOf(parts, { address, localAs, internal, cluster, nextHop, exportFilters }),
  };
}

function filtersCalled({ filters }: RouterParts, names: readonly string[]): readonly BirdFilter[] {
  return names.length === 0 ? none : names.flatMap((name) => filters.get(name) ?? []);
}

const none: readonly BirdFilter[] = [];

function orderOf(address: Ip): number | bigint {
  return versionOf(address) === 4 ? ipv4ToNumber(address) : ipToNumber(address);
}

function outsideEnd(parts: RouterParts, { address, neighbor, localAs, neighborAs }: OwnEnd): OwnEnd {
  const internal = localAs === neighborAs;
  const cluster = internal ? parts.router.routerId : undefined;
  const exportFilters = parts.role === "passes on" ? none : [nothing];
  const end = { address: neighbor, localAs: neighborAs, internal, cluster, nextHop: "auto", exportFilters } as const;
  return {
    ...{ router: parts.router, ...end, neighbor: address, neighborOrder: orderOf(address), neighborAs: localAs },
    ...{ allowedLocalAs: 0, addPath: false, importFilters: none, exportClass: exportClassOf(parts, end) },
  };
}

/** What an outside router gives that keeps what it hears. */
const nothing: BirdFilter = {
  ...{ name: "nothing", version: 4, direction: "export" },
  rules: [
    {
      ...{ net: undefined, fromRemotePeers: false, interface: undefined, peerType: undefined, communities: [] },
      ...{ asPathPrefix: [], priority: undefined, operations: [], action: "reject" },
    },
  ],
};

type ExportClass = Pick<End, "address" | "localAs" | "internal" | "cluster" | "nextHop" | "exportFilters">;

/** The place of an equal one among the router's classes, of which there are few. */
function exportClassOf({ exportClasses }: RouterParts, own: ExportClass): number {
  const at = exportClasses.findIndex((one) => isSameClass(one, own));
  return at >= 0 ? at : exportClasses.push(own) - 1;
}

function isSameClass(a: ExportClass, b: ExportClass): boolean {
  return (
    a.address === b.address &&
    a.localAs === b.localAs &&
    a.internal === b.internal &&
    a.cluster === b.cluster &&
    a.nextHop === b.nextHop &&
    a.exportFilters.length === b.exportFilters.length &&
    a.exportFilters.every((filter, at) => filter === b.exportFilters[at])
  );
}

import type { BgpFabric, FabricHost } from "../bgp-fabric.ts";

/** A BGP router that is not ours: what a top-of-rack switch or a route reflector runs. */
export interface Router extends AsyncDisposable {
  readonly name: string;
  /** The neighbours with which it is Established, sorted. */
  established(): Promise<readonly string[]>;
  /** The networks that it has learned by BGP, each with its paths. */
  learned(): Promise<ReadonlyMap<string, readonly LearnedPath[]>>;
  /** Ends it at once, so that it has no time to say anything. */
  kill(): Promise<void>;
  /** Starts it anew with the configuration that it had. */
  restart(): Promise<void>;
}

/** One path to a network. */
export interface LearnedPath {
  readonly nextHop: string;
  /** `aa:nn`, sorted. */
  readonly communities: readonly string[];
  readonly asPath: readonly number[];
}

/** What a router is to do. */
export interface RouterPlan {
  /** Dotted decimal. */
  readonly routerId: string;
  readonly as: number;
  readonly neighbours: readonly RouterNeighbour[];
  /** IPv4 networks that it announces of its own. */
  readonly announces: readonly string[];
}

/** It waits for the neighbour to connect, keeps its routes while it restarts, and takes and gives several paths of a network. */
export interface RouterNeighbour {
  readonly address: string;
  /** The router's own end. */
  readonly local: string;
  readonly as: number;
  /** It is a client of the router as route reflector. */
  readonly isClient: boolean;
  /** TCP MD5. */
  readonly password: string | undefined;
  readonly bfd: boolean;
}

/** Starts a router of one make in a namespace. Rejects when it does not run. */
export type StartRouter = (fabric: BgpFabric, host: FabricHost, plan: RouterPlan) => Promise<Router>;

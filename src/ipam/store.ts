/** Where IPAM keeps its three kinds of record. Every write is a compare-and-swap; a lost race is an answer, not an error. */
import type { BlockAffinity } from "../api/block-affinity.ts";
import type { IpPool } from "../api/ip-pool.ts";
import type { IpReservation } from "../api/ip-reservation.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamConfiguration } from "../api/ipam-configuration.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { NodeName } from "../api/names.ts";
import type { Node } from "../api/objects.ts";
import type { Cidr } from "../net/cidr.ts";

/** A stored value with the revision that a later write must name. */
export interface Stored<T> {
  readonly value: T;
  readonly revision: string;
}

/** What stands now, or that another writer was first. */
export type Written<T> = Stored<T> | "conflict";

/**
 * `get` answers what is there now; `list` may be a little old unless it is asked for `fresh`, and leaves out what cannot
 * be read.
 * `revision` undefined creates; "conflict" when the object exists already, changed or went meanwhile.
 */
export interface RecordStore<K, T> {
  get(key: K): Promise<Stored<T> | undefined>;
  list(options?: { readonly fresh?: boolean }): Promise<readonly Stored<T>[]>;
  put(key: K, value: T, revision: string | undefined): Promise<Written<T>>;
  /** "conflict" when it changed meanwhile; one that is not there is removed. */
  remove(key: K, revision: string): Promise<"removed" | "conflict">;
}

/** The records, and what the cluster says about pools and nodes. */
export interface IpamStore {
  readonly blocks: RecordStore<Cidr, IpamBlock>;
  /** Keyed by node and block. */
  readonly affinities: RecordStore<{ readonly node: NodeName; readonly cidr: Cidr }, BlockAffinity>;
  readonly handles: RecordStore<string, IpamHandle>;
  /** One node's affinities, as they are now. */
  affinitiesOf(node: NodeName): Promise<readonly Stored<BlockAffinity>[]>;
  /** The network of every block that is there now, also of one that cannot be read otherwise. */
  blockNetworks(): Promise<readonly Cidr[]>;
  /** The one named `default`; undefined when there is none, and every default holds. */
  configuration(): Promise<IpamConfiguration | undefined>;
  pools(): Promise<readonly IpPool[]>;
  reservations(): Promise<readonly IpReservation[]>;
  node(name: NodeName): Promise<Node | undefined>;
}

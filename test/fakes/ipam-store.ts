import type { BlockAffinity } from "../../src/api/block-affinity.ts";
import type { IpPool } from "../../src/api/ip-pool.ts";
import type { IpReservation } from "../../src/api/ip-reservation.ts";
import type { IpamBlock } from "../../src/api/ipam-block.ts";
import type { IpamConfiguration } from "../../src/api/ipam-configuration.ts";
import type { IpamHandle } from "../../src/api/ipam-handle.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { Node } from "../../src/api/objects.ts";
import type { IpamStore, RecordStore, Stored, Written } from "../../src/ipam/store.ts";
import type { Cidr } from "../../src/net/cidr.ts";

type AffinityKey = { readonly node: NodeName; readonly cidr: Cidr };

/** What becomes of one call: by default its effect is at once, and it is answered. */
interface Fate {
  /** The effect waits for this; the reply does too, unless it is an error or never comes. */
  readonly effectAfter?: Promise<void>;
  /** What the caller gets instead of the answer. */
  readonly reply?: Error | "never";
}

/** Asked before each call; when it throws or never answers, the call has no effect. */
export type Fault = (call: string) => Promise<Fate>;

const noFault: Fault = async () => ({});

/** One record came, changed or went. */
export type FakeWrite = {
  readonly [K in keyof FakeRecords]: {
    readonly kind: K;
    readonly key: string;
    readonly before: FakeRecords[K] | undefined;
    readonly after: FakeRecords[K] | undefined;
  };
}[keyof FakeRecords];

interface FakeRecords {
  readonly blocks: IpamBlock;
  readonly affinities: BlockAffinity;
  readonly handles: IpamHandle;
}

/** Everything a cluster holds, in memory, shared by the stores of several nodes. */
export class FakeCluster {
  readonly blocks = new Map<string, Stored<IpamBlock>>();
  readonly affinities = new Map<string, Stored<BlockAffinity>>();
  readonly handles = new Map<string, Stored<IpamHandle>>();
  pools: readonly IpPool[] = [];
  reservations: readonly IpReservation[] = [];
  nodes: readonly Node[] = [];
  configuration: IpamConfiguration | undefined;
  /** Told of every write, in the order in which they take effect. */
  onWrite: (write: FakeWrite) => void = () => {};
  #revision = 0;

  /** A revision that no earlier write had. */
  nextRevision(): string {
    this.#revision += 1;
    return String(this.#revision);
  }
}

/**
 * One client's view of a `FakeCluster`. It passes the contract suite of the real store; it is there for the faults and
 * the interleavings that a real API server cannot be asked for.
 */
export class FakeIpamStore implements IpamStore {
  readonly blocks: RecordStore<Cidr, IpamBlock>;
  readonly affinities: RecordStore<AffinityKey, BlockAffinity>;
  readonly handles: RecordStore<string, IpamHandle>;
  readonly #cluster: FakeCluster;
  readonly #fault: Fault;

  constructor(cluster: FakeCluster, fault: Fault = noFault) {
    this.#cluster = cluster;
    this.#fault = fault;
    const next = () => cluster.nextRevision();
    const wrote = (write: FakeWrite) => cluster.onWrite(write);
    this.blocks = recordStore("blocks", cluster.blocks, { keyText: (cidr) => cidr, next, fault, wrote });
    this.affinities = recordStore("affinities", cluster.affinities, { keyText: affinityText, next, fault, wrote });
    this.handles = recordStore("handles", cluster.handles, { keyText: (handle) => handle, next, fault, wrote });
  }

  async affinitiesOf(node: NodeName): Promise<readonly Stored<BlockAffinity>[]> {
    return (await this.affinities.list()).filter(({ value }) => value.spec.node === node);
  }

  blockNetworks(): Promise<readonly Cidr[]> {
    return around(this.#fault, "block networks", () =>
      [...this.#cluster.blocks.values()].map(({ value }) => value.spec.cidr),
    );
  }

  configuration(): Promise<IpamConfiguration | undefined> {
    return around(this.#fault, "configuration", () => this.#cluster.configuration);
  }

  pools(): Promise<readonly IpPool[]> {
    return around(this.#fault, "pools", () => this.#cluster.pools);
  }

  reservations(): Promise<readonly IpReservation[]> {
    return around(this.#fault, "reservations", () => this.#cluster.reservations);
  }

  node(name: NodeName): Promise<Node | undefined> {
    return around(this.#fault, "node", () => this.#cluster.nodes.find((node) => node.name === name));
  }
}

// --- internal ---

interface Parts<K> {
  readonly keyText: (key: K) => string;
  readonly next: () => string;
  readonly fault: Fault;
  readonly wrote: (write: FakeWrite) => void;
}

function affinityText({ node, cidr }: AffinityKey): string {
  return `${node} ${cidr}`;
}

function recordStore<K, N extends keyof FakeRecords>(
  name: N,
  records: Map<string, Stored<FakeRecords[N]>>,
  { keyText, next, fault, wrote }: Parts<K>,
): RecordStore<K, FakeRecords[N]> {
  type T = FakeRecords[N];
  const tell = (key: K, before: T | undefined, after: T | undefined) =>
    wrote({ kind: name, key: keyText(key), before, after } as FakeWrite);
  return {
    get: (key) => around(fault, `${name} get`, () => records.get(keyText(key))),
    list: () => around(fault, `${name} list`, () => [...records.values()]),
    put: (key, value, revision) =>
      around(fault, `${name} put`, (): Written<T> => {
        const before = records.get(keyText(key));
        if (before?.revision !== revision) return "conflict";
        const stored = { value, revision: next() };
        records.set(keyText(key), stored);
        tell(key, before?.value, value);
        return stored;
      }),
    remove: (key, revision) =>
      around(fault, `${name} remove`, () => {
        const existing = records.get(keyText(key));
        if (existing !== undefined && existing.revision !== revision) return "conflict";
        if (records.delete(keyText(key))) tell(key, existing?.value, undefined);
        return "removed";
      }),
  };
}

async function around<T>(fault: Fault, call: string, effect: () => T): Promise<T> {
  const { effectAfter, reply } = await fault(call);
  const answer = effectAfter === undefined ? Promise.resolve(effect()) : effectAfter.then(effect);
  if (reply === "never") return new Promise(() => {});
  if (reply !== undefined) throw reply;
  return answer;
}

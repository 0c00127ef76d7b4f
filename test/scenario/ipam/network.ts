import type { IpPool } from "../../../src/api/ip-pool.ts";
import type { IpReservation } from "../../../src/api/ip-reservation.ts";
import type { Node } from "../../../src/api/objects.ts";
import type { IpamStore, RecordStore, Stored } from "../../../src/ipam/store.ts";
import { type FakeCluster, FakeIpamStore } from "../../fakes/ipam-store.ts";
import type { Schedule } from "./schedule.ts";

/** What becomes of one call to the store. `late`: its effect is after the error, or the death. */
export type Fate =
  | "fine"
  | "lost request"
  | "lost reply"
  | "late effect"
  | "killed before"
  | "killed after"
  | "killed, late effect"
  | "old answer";

/** How many changes an old answer is behind, at most. */
export const oldest = 4;

/** The error of a call whose request or reply was lost. */
export class LostError extends Error {
  constructor() {
    super("Cannot reach the API server: connection reset");
    this.name = "LostError";
  }
}

/** What pools, nodes and reservations were at one moment. */
export interface Setting {
  readonly pools: readonly IpPool[];
  readonly nodes: readonly Node[];
  readonly reservations: readonly IpReservation[];
  readonly configuration: FakeCluster["configuration"];
}

/** What the network asks of the world around it. */
export interface NetworkOptions {
  readonly cluster: FakeCluster;
  readonly schedule: Schedule;
  readonly fateOf: (call: string) => Fate;
  /** What settings were, the newest last. */
  readonly settings: () => readonly Setting[];
  readonly trace: (line: string) => void;
}

/** A process that calls the store, until it is killed. */
export interface Caller {
  readonly name: string;
  kill(): void;
}

/** Carries calls to a `FakeCluster`; each waits twice at a gate, before its effect and before its answer. */
export class Network {
  readonly #options: NetworkOptions;
  readonly #truth: FakeIpamStore;
  /** What lists were before their last changes, the newest last. */
  readonly #past: { readonly [K in Kind]: (readonly FakeStored[K][])[] } = { blocks: [], affinities: [], handles: [] };
  #late = 0;
  #begunLate = 0;
  /** Whose call takes effect now. */
  #writer = "";

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#truth = new FakeIpamStore(options.cluster);
  }

  /** How many writes are still to take effect though their callers have been given up on them. */
  get late(): number {
    return this.#late;
  }

  /** How many writes have ever been such. */
  get begunLate(): number {
    return this.#begunLate;
  }

  /** The name of the caller whose write is told of. */
  get writer(): string {
    return this.#writer;
  }

  /** A list has changed, or is about to: it can still be answered as it is now. */
  remember(kind: Kind): void {
    const past: unknown[] = this.#past[kind];
    past.push([...this.#options.cluster[kind].values()]);
    if (past.length > oldest) past.shift();
  }

  /** The store as this caller sees it. */
  storeOf(caller: Caller): IpamStore {
    const truth = this.#truth;
    const call = <T>(what: string, effect: () => Promise<T>, old?: () => T) =>
      this.#call(caller, what, { effect, old });
    const setting = (age: number) => this.#options.settings().at(-1 - age) ?? (this.#options.settings()[0] as Setting);
    return {
      blocks: records("blocks", truth.blocks, { call, old: () => this.#past.blocks[0] }),
      affinities: records("affinities", truth.affinities, { call, old: () => this.#past.affinities[0] }),
      handles: records("handles", truth.handles, { call, old: () => this.#past.handles[0] }),
      affinitiesOf: (node) => call(`affinities of ${node}`, () => truth.affinitiesOf(node)),
      blockNetworks: () => call("block networks", () => truth.blockNetworks()),
      configuration: () => call("configuration", () => truth.configuration()),
      pools: () =>
        call(
          "pools",
          () => truth.pools(),
          () => setting(oldest).pools,
        ),
      reservations: () =>
        call(
          "reservations",
          () => truth.reservations(),
          () => setting(oldest).reservations,
        ),
      node: (name) =>
        call(
          "node",
          () => truth.node(name),
          () => setting(oldest).nodes.find((node) => node.name === name),
        ),
    };
  }

  async #call<T>(caller: Caller, what: string, { effect, old }: Answers<T>): Promise<T> {
    const { schedule, trace } = this.#options;
    await schedule.wait(caller);
    const write = /^(put|remove)/.test(what);
    const fate = this.#options.fateOf(what);
    trace(`${caller.name}: ${what}${fate === "fine" ? "" : ` (${fate})`}`);
    if (fate === "old answer" && old !== undefined) {
      await schedule.wait(caller);
      return old();
    }
    if (fate === "lost request") throw new LostError();
    if (fate === "killed before") return this.#death(caller);
    if (write && (fate === "late effect" || fate === "killed, late effect")) {
      void this.#later(caller, what, effect);
      if (fate === "late effect") throw new LostError();
      return this.#death(caller);
    }
    this.#writer = caller.name;
    const answer = await effect();
    if (write) trace(`${caller.name}: ${what} -> ${answer === "conflict" ? "conflict" : "done"}`);
    if (fate === "lost reply" || fate === "late effect") throw new LostError();
    if (fate === "killed after" || fate === "killed, late effect") return this.#death(caller);
    await schedule.wait(caller);
    return answer;
  }

  async #later<T>({ name }: Caller, what: string, effect: () => Promise<T>): Promise<void> {
    this.#late++;
    this.#begunLate++;
    await this.#options.schedule.wait(this);
    this.#late--;
    this.#writer = name;
    this.#options.trace(`late: ${what} -> ${(await effect()) === "conflict" ? "conflict" : "done"}`);
  }

  #death(caller: Caller): Promise<never> {
    caller.kill();
    return new Promise(() => {});
  }
}

// --- internal ---

interface Answers<T> {
  readonly effect: () => Promise<T>;
  readonly old: (() => T) | undefined;
}

type Call = <T>(what: string, effect: () => Promise<T>, old?: () => T) => Promise<T>;

type Kind = "blocks" | "affinities" | "handles";

type FakeStored = { readonly [K in Kind]: FakeCluster[K] extends ReadonlyMap<string, infer S> ? S : never };

function records<K, T>(name: string, truth: RecordStore<K, T>, { call, old }: Carriage<T>): RecordStore<K, T> {
  const text = (key: K) => `${name} ${typeof key === "string" ? key : Object.values(key as object).join(" ")}`;
  return {
    get: (key) => call(`get ${text(key)}`, () => truth.get(key)),
    list: (options) =>
      call(`list ${name}`, () => truth.list(), options?.fresh === true ? undefined : () => old() ?? []),
    put: (key, value, revision) => call(`put ${text(key)}`, () => truth.put(key, value, revision)),
    remove: (key, revision) => call(`remove ${text(key)}`, () => truth.remove(key, revision)),
  };
}

interface Carriage<T> {
  readonly call: Call;
  readonly old: () => readonly Stored<T>[] | undefined;
}

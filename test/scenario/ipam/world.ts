import { pino } from "pino";
import { LateRecords } from "../../../src/agent/late-records.ts";
import type { BlockAffinity } from "../../../src/api/block-affinity.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import { reserveHandle } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import type { Ipam } from "../../../src/ipam/ipam.ts";
import type { ReserveOptions } from "../../../src/ipam/reserve-options.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { FakeCluster, type FakeWrite } from "../../fakes/ipam-store.ts";
import { changeFaults, slotsOf } from "./block-rules.ts";
import { Ledger } from "./ledger.ts";
import { type Caller, type Fate, Network, type Setting } from "./network.ts";
import { NodeDisk, ReserveFigures } from "./node-disk.ts";
import type { History } from "./operations.ts";
import { Schedule } from "./schedule.ts";
import { firstSetting } from "./settings.ts";

/** An agent or a collector, until it is killed. */
export interface Process extends Caller {
  readonly ipam: Ipam & Pick<Allocator, "begin" | "stop">;
  /** Resolves some time later, if the process lives. */
  readonly pause: () => Promise<void>;
  readonly alive: () => boolean;
  /** Handles that a call of this process is about. */
  readonly calls: Set<string>;
}

/** What an address was given for: when, and what block it is of. */
export interface Grant {
  readonly ip: Ip;
  readonly handle: string;
  readonly step: number;
  /** Whether the block was its node's own. */
  readonly affinity: string | undefined;
}

/** One cluster with all that happens in it, watched: the first breach of a rule ends the history. */
export class World {
  readonly schedule: Schedule;
  readonly cluster = new FakeCluster();
  readonly ledger = new Ledger();
  readonly network: Network;
  readonly settings: Setting[];
  readonly isLarge: boolean;
  readonly reserve = new ReserveFigures();
  readonly grants: Grant[] = [];
  readonly figures = { calls: 0, writes: 0, kills: 0, surplus: 0, given: 0, refused: 0, freed: 0 };
  /** When an address came free last. */
  readonly freeSince = new Map<Ip, number>();
  readonly #disks = new Map<NodeName, NodeDisk>();
  readonly #fates: readonly Fate[];
  readonly #trace: string[] = [];
  /** What numbers each block has had, in each of its lives. */
  readonly #sequences = new Map<string, readonly { readonly first: bigint; readonly last: bigint }[]>();
  #started = 0;
  #calm = false;
  #breach: Error | undefined;

  constructor({ fates, choices, isLarge }: Pick<History, "fates" | "choices" | "isLarge">) {
    this.#fates = fates;
    this.isLarge = isLarge;
    this.settings = [firstSetting(isLarge)];
    this.schedule = new Schedule(choices);
    const { cluster, schedule } = this;
    this.network = new Network({
      ...{ cluster, schedule, settings: () => this.settings, trace: (line) => this.trace(line) },
      fateOf: () => this.#fate(),
    });
    cluster.onWrite = (write) => this.#watch(write);
    this.set({});
  }

  /** From now on every call ends well. */
  calm(): void {
    this.#calm = true;
  }

  trace(line: string): void {
    this.#trace.push(`${this.schedule.steps} ${line}`);
  }

  /** A rule is broken. */
  breach(what: string, cause?: unknown): void {
    this.trace(`BREACH ${what}`);
    this.#breach ??= new Error(`${what}\n${this.#trace.slice(-400).join("\n")}`, { cause });
  }

  /** Throws the first breach. */
  check(): void {
    if (this.#breach !== undefined) throw this.#breach;
  }

  /** The settings that hold now. */
  get setting(): Setting {
    return this.settings.at(-1) ?? firstSetting(this.isLarge);
  }

  set(change: Partial<Setting>): void {
    const setting = { ...this.setting, ...change };
    this.settings.push(setting);
    const { pools, nodes, reservations, configuration } = setting;
    Object.assign(this.cluster, { pools, nodes, reservations, configuration });
  }

  start(name: string, node: NodeName): Process {
    let alive = true;
    const calls = new Set<string>();
    const caller: Caller = {
      name,
      kill: () => {
        if (!alive) return;
        alive = false;
        calls.clear();
        this.schedule.forget(caller);
        this.diskOf(node).unlock(caller);
        this.figures.kills++;
        this.trace(`${name} is dead`);
      },
    };
    const clock = this.schedule.clock(caller);
    const late = new LateRecords({ isBusy: () => calls.size > 0, clock, logger: pino({ level: "silent" }) });
    // Beside processes that answer an address when its record is written too.
    const isOld = this.#started++ % 4 === 3 && this.inReserveOf(node).length === 0;
    const parts = isOld ? {} : { late, reserve: this.#reserveOptions(caller, node, () => alive) };
    const ipam = new Allocator({ store: this.network.storeOf(caller), node, clock, ...parts });
    ipam.begin();
    return { ...caller, ipam, calls, alive: () => alive, pause: () => this.schedule.wait(caller) };
  }

  /** What the processes of a node have written down there. */
  diskOf(node: NodeName): NodeDisk {
    const disk = this.#disks.get(node) ?? new NodeDisk();
    this.#disks.set(node, disk);
    return disk;
  }

  /** What the node holds in advance, as the blocks say. */
  inReserveOf(node: NodeName): readonly { readonly ip: Ip; readonly block: Cidr }[] {
    return this.heldBy(reserveHandle(node));
  }

  /** The figures of the history. */
  get allFigures() {
    return { ...this.figures, ...this.reserve.counts };
  }

  #reserveOptions(caller: Caller, node: NodeName, isAlive: () => boolean): ReserveOptions {
    const disk = this.diskOf(node);
    return {
      mostOf: (blockSize, asked) => (blockSize < 4 ? 1 : Math.max(2, Math.min(asked, 5))),
      isSole: () => isAlive() && disk.lock(caller),
      owners: async () => {
        const owners = await disk.owners(() => this.schedule.wait(caller));
        this.trace(`${caller.name}: owners ${[...owners.byAddress.keys()].join()}${owners.areAll ? "" : ", not all"}`);
        return owners;
      },
      onLost: (sentence) => this.breach(sentence),
    };
  }

  /** Makes so many steps, without waiting for longer than a second, or all there are. Throws when there is no end to it, or a rule is broken. */
  async run(turns = 50_000, longestMs = turns === 50_000 ? undefined : 1000): Promise<void> {
    for (let turn = 0; turn < turns && (await this.schedule.step(longestMs)); turn++) this.check();
    this.check();
    if (turns === 50_000 && (await this.schedule.step())) this.breach("there is no end to it");
    this.check();
  }

  /** Every block there is. */
  get blocks(): readonly IpamBlock[] {
    return [...this.cluster.blocks.values()].map(({ value }) => value);
  }

  /** Everything that a handle holds, as the blocks say. */
  heldBy(handle: string): readonly { readonly ip: Ip; readonly block: Cidr }[] {
    return this.blocks.flatMap((block) =>
      slotsOf(block).flatMap(({ ip, state, handle: holder }) =>
        state === "held" && holder === handle ? [{ ip, block: block.spec.cidr }] : [],
      ),
    );
  }

  #fate(): Fate {
    const fate = this.#fates[this.figures.calls++] ?? "fine";
    return this.#calm ? "fine" : fate;
  }

  #watch(write: FakeWrite): void {
    this.figures.writes++;
    this.network.remember(write.kind);
    if (write.kind === "affinities") this.#watchClaim(write.before, write.after);
    if (write.kind !== "blocks") return;
    const { key, before, after } = write;
    const judgement = {
      holderOf: (ip: Ip) => this.ledger.holderOf(ip),
      isResting: (releasedAt: string) => Date.parse(releasedAt) + this.#cooldownMs > this.schedule.now,
      mustRest: this.#cooldownMs > 0,
      wasAnswered: (ip: Ip) => this.reserve.wasAnswered(ip),
    };
    for (const fault of changeFaults(before, after, judgement)) this.breach(fault);
    if (after !== undefined) this.#watchSequence(key, after.spec.sequenceNumber, before === undefined);
    this.#note(before, after);
  }

  /** No number is had twice, also not by a block that is made again. */
  #watchSequence(key: string, sequenceNumber: bigint, isNew: boolean): void {
    const lives = this.#sequences.get(key) ?? [];
    const earlier = isNew ? lives : lives.slice(0, -1);
    if (earlier.some(({ first, last }) => first <= sequenceNumber && sequenceNumber <= last)) {
      this.breach(`block ${key}: has a sequence number that it has had before it was made again`);
    }
    const first = isNew ? sequenceNumber : (lives.at(-1)?.first ?? sequenceNumber);
    this.#sequences.set(key, [...earlier, { first, last: sequenceNumber }]);
  }

  /** Only the owner of a block confirms its claim on it. */
  #watchClaim(before: BlockAffinity | undefined, after: BlockAffinity | undefined): void {
    if (after?.spec.state !== "confirmed" || before?.spec.state === "confirmed") return;
    const { node, cidr } = after.spec;
    const owner = this.cluster.blocks.get(cidr)?.value.spec.affinity;
    if (owner !== `host:${node}`) this.breach(`${node} confirms its claim on ${cidr}, whose owner is ${owner}`);
  }

  /** The shortest of the latest, as a call may have read an earlier one and be slow. */
  get #cooldownMs(): number {
    const seconds = this.settings.slice(-16).map((setting) => setting.configuration?.spec.ipCooldownSeconds ?? 0);
    return Math.min(...seconds) * 1000;
  }

  #note(before: IpamBlock | undefined, after: IpamBlock | undefined): void {
    const old = before === undefined ? [] : slotsOf(before);
    const step = this.schedule.steps;
    for (const [ordinal, slot] of (after === undefined ? [] : slotsOf(after)).entries()) {
      const { ip, state, handle } = slot;
      this.reserve.note(old[ordinal], slot, this.network.writer);
      const was = old[ordinal]?.state ?? "free";
      const isNew = was !== "held" || old[ordinal]?.handle !== handle;
      if (isNew && state === "held" && handle !== undefined) {
        this.grants.push({ ip, handle, step, affinity: after?.spec.affinity });
        const others = this.blocks.filter((one) => one.spec.cidr !== after?.spec.cidr).flatMap(slotsOf);
        const twice = others.find((one) => one.ip === ip && one.state !== "free");
        if (twice !== undefined)
          this.breach(`${ip} is given to ${handle}, and ${twice.handle} has it in another block`);
      }
      if (was === "held" && state !== "held") this.figures.freed++;
      if (was !== "free" && state === "free") this.freeSince.set(ip, step);
    }
  }
}

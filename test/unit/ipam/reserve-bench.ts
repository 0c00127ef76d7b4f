import { setImmediate as turnOfEvents } from "node:timers/promises";
import { type IpamBlock, reserveHandle } from "../../../src/api/ipam-block.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import { addressesOf, assignFromBlock } from "../../../src/ipam/block.ts";
import { handOver } from "../../../src/ipam/block-release.ts";
import type { AssignRequest } from "../../../src/ipam/ipam.ts";
import type { LateWork } from "../../../src/ipam/record-keeper.ts";
import type { Owners, ReserveOptions } from "../../../src/ipam/reserve-options.ts";
import type { Clock } from "../../../src/net/clock.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { instantClock, node, pool, request } from "./samples.ts";

/** A node whose agents hold two addresses of each family in advance. What is late, and what time brings, comes when a test says so. */
export class ReserveBench extends AllocatorBench {
  /** Sentences about what was lost. */
  readonly lost: string[] = [];
  /** Every call that blocks, records or claims were asked for by, and whether it took effect or not. */
  readonly asked: string[] = [];
  isSole = true;
  owners: Owners = { byAddress: new Map(), areAll: true };
  /** What becomes of calls. */
  fault: Fault = async () => ({});
  #nowMs = instantClock.now();
  #sleepers: (() => void)[] = [];
  #late = new Map<string, () => Promise<void>>();

  constructor() {
    super();
    this.pools(pool("main", { cidr: "10.0.0.0/28", blockSize: 29 }));
  }

  /** A new agent's allocator; an earlier one remembers what it did, as one does that was replaced and goes on. */
  agent(more: Partial<ReserveOptions> = {}): Allocator {
    const late: LateWork = {
      put: (key, work) => void this.#late.set(key, work),
      drop: (key) => void this.#late.delete(key),
    };
    const reserve: ReserveOptions = {
      mostOf: () => 2,
      isSole: () => this.isSole,
      owners: async () => this.owners,
      onLost: (sentence) => void this.lost.push(sentence),
      ...more,
    };
    const fault: Fault = (call) => {
      if (/^(blocks|handles|affinities)/.test(call)) this.asked.push(call);
      return this.fault(call);
    };
    return new Allocator({ store: new FakeIpamStore(this.cluster, fault), node, clock: this.#clock(), late, reserve });
  }

  /** An agent that has served one pod, and holds two addresses for those to come; what was asked for until then does not count. */
  async ready(): Promise<Allocator> {
    const ipam = this.agent();
    await ipam.assign(pod("first"));
    await this.settle();
    this.askedSince();
    return ipam;
  }

  /** Has everything late done that waits now; rejects with the first failure. What fails waits again. */
  async settle(): Promise<void> {
    const works = [...this.#late];
    this.#late.clear();
    const again = (key: string, work: () => Promise<void>) => {
      if (!this.#late.has(key)) this.#late.set(key, work);
    };
    const done = works.map(([key, work]) =>
      work().catch((error: unknown) => {
        again(key, work);
        throw error;
      }),
    );
    const failure = (await Promise.allSettled(done)).find((one) => one.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }

  /** Lets time pass, and what waits for it be done. */
  async pass(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 5) {
      this.#nowMs += 5000;
      for (const wake of this.#sleepers.splice(0)) wake();
      await turnOfEvents();
      await this.settle();
      await turnOfEvents();
    }
  }

  /** The calls since this was asked last. */
  askedSince(): readonly string[] {
    return this.asked.splice(0);
  }

  /** Has `change` done once, before the next write of a block and as it goes out. */
  beforeNextWrite(change: () => void): { readonly isDone: boolean } {
    const state = { isDone: false };
    this.fault = async (call) => {
      if (call === "blocks put" && !state.isDone) {
        state.isDone = true;
        change();
      }
      return {};
    };
    return state;
  }

  /** Another node takes an address of each of this node's blocks. */
  borrow(handle: string): void {
    this.changeBlocks((block) => assignFromBlock(block, { handle, count: 1, attributes: {} }).block);
  }

  /** What is held becomes somebody else's, as no node should do. */
  stealHeld(handle: string): void {
    this.changeBlocks((block) => {
      const from = reserveHandle(node);
      const steal = (all: IpamBlock, ip: Ip) => handOver(all, ip, { from, to: { handle, attributes: {} } }) ?? all;
      return addressesOf(block, from).reduce(steal, block);
    });
  }

  /** Who holds each address, in order. */
  holders(): Readonly<Record<string, string>> {
    const all = [...this.cluster.blocks.values()].flatMap(({ value: { spec } }) =>
      spec.allocations.flatMap((index, ordinal) => {
        const { handle_id, releasedAt } = (index === null ? undefined : spec.attributes[index]) ?? {};
        const holder = handle_id === reserveHandle(node) ? "reserve" : releasedAt === undefined ? handle_id : "cooling";
        return index === null ? [] : [[`${spec.cidr.replace(/\/.*/, "")}+${ordinal}`, `${holder}`] as const];
      }),
    );
    return Object.fromEntries(all);
  }

  /** How many addresses are held in advance. */
  get reserved(): number {
    return Object.values(this.holders()).filter((holder) => holder === "reserve").length;
  }

  /** Sleeps of a second or more last until `pass`. */
  #clock(): Clock {
    const now = () => this.#nowMs;
    const sleep: Clock["sleep"] = (ms, signal) => {
      if (ms < 1000) return turnOfEvents();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#sleepers.push(resolve);
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      return promise;
    };
    return { now, monotonicNow: now, random: () => 0.5, sleep };
  }
}

/** A pod that may be named later. */
export function pod(handle: string, more: Partial<AssignRequest> = {}): AssignRequest {
  return request(handle, { mayBeNamedLater: true, ...more });
}

/** The addresses of an answer. */
export function ipsOf(answer: readonly { readonly ip: Ip }[]): readonly Ip[] {
  return answer.map(({ ip }) => ip);
}

import type { IpamBlock } from "../../src/api/ipam-block.ts";
import type { NodeName } from "../../src/api/names.ts";
import { systemClock } from "../../src/host/clock.ts";
import { StoreReclaimer } from "../../src/ipam/store-reclaimer.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import type { Relay } from "../fakes/relay.ts";
import { faultsOf, slotsOf } from "../scenario/ipam/block-rules.ts";
import { Ledger } from "../scenario/ipam/ledger.ts";
import { requestOf } from "../scenario/ipam/settings.ts";
import { Agent } from "./ipam-fleet.ts";

/** Where a campaign takes place, and how long it is. */
export interface CampaignOptions {
  readonly client: KubeClient;
  /** Of the API server behind `relay`; only the agents go through that. */
  readonly kubeconfig: string;
  readonly relay: Relay;
  readonly nodes: readonly NodeName[];
  readonly pods: number;
  /** Asked now and then: whether it has been enough. */
  readonly until: (figures: CampaignFigures) => boolean;
  readonly random: () => number;
}

/** What happened. */
export interface CampaignFigures {
  readonly given: number;
  readonly refused: number;
  readonly released: number;
  readonly kills: number;
  readonly cuts: number;
}

/**
 * Real agents' processes give and take addresses through a real API server while they are killed and their replies lost;
 * then all of them start anew, repeat the deletions that are owed, and what nobody knows of is taken back. Throws when an
 * address was given twice, taken from a live holder, or is left over.
 */
export async function campaign(options: CampaignOptions): Promise<CampaignFigures> {
  const course = new Course(options);
  const feed = watchBlocks(options.client, course);
  try {
    await course.run();
    await course.recover();
    course.check();
  } finally {
    await course.end();
    await feed.stop();
  }
  return course.figures;
}

// --- internal ---

const troubleShare = 0.12;

class Course {
  readonly ledger = new Ledger();
  readonly figures = { given: 0, refused: 0, released: 0, kills: 0, cuts: 0 };
  readonly #options: CampaignOptions;
  readonly #agents: readonly Agent[];
  readonly #breaches: string[] = [];
  readonly #last = new Map<string, IpamBlock>();
  #incarnations = 0;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#agents = options.nodes.map((node) => new Agent(node, options.kubeconfig));
  }

  async run(): Promise<void> {
    const pods = Array.from({ length: this.#options.pods }, (_, index) =>
      this.#podLife(this.#agents[index % this.#agents.length] as Agent),
    );
    await Promise.all(pods);
  }

  /** Everything starts anew; then what the holders do not know of must be gone. */
  async recover(): Promise<void> {
    await this.end();
    const owed = this.ledger.handles("asked", "going");
    await Promise.all(owed.map((handle) => this.#remove(this.#agentOf(handle), handle)));
    const store = new KubeIpamStore({ client: this.#options.client, onRejected: ({ reason }) => this.breach(reason) });
    const reclaimer = new StoreReclaimer({ store, clock: systemClock });
    const slots = (await store.blocks.list()).flatMap(({ value }) => slotsOf(value));
    const gone = slots.filter(({ state, handle = "" }) => state === "held" && this.ledger.phaseOf(handle) === "absent");
    await reclaimer.releaseAddresses(
      gone.map(({ ip, handle, sequenceNumber }) => ({ ip, handle, sequenceNumber, why: "pod gone" })),
    );
    const handles = (await store.handles.list()).map(({ value }) => value.spec.handleID);
    await reclaimer.repairHandles(handles);
    await this.#expectNothingLeaked(store);
  }

  /** One version of a block, as the watch brings it: some in between may be left out. */
  see(key: string, block: IpamBlock | undefined): void {
    for (const fault of block === undefined ? [] : faultsOf(block)) this.breach(fault);
    const now = new Map((block === undefined ? [] : slotsOf(block)).map((slot) => [slot.ip, slot]));
    const before = this.#last.get(key);
    for (const { ip, handle } of before === undefined ? [] : slotsOf(before)) {
      const slot = now.get(ip);
      if (handle !== undefined && this.ledger.holderOf(ip) === handle && slot?.handle !== handle) {
        this.breach(`${ip} is ${handle}'s and was taken away: ${slot?.state} (${slot?.handle})`);
      }
    }
    if (block === undefined) this.#last.delete(key);
    else this.#last.set(key, block);
  }

  breach(what: string): void {
    this.#breaches.push(what);
  }

  /** Throws when a rule was broken. */
  check(): void {
    if (this.#breaches.length > 0) throw new Error(this.#breaches.join("\n"));
  }

  async end(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill()));
  }

  async #podLife(agent: Agent): Promise<void> {
    while (!this.#options.until(this.figures) && this.#breaches.length === 0) {
      const handle = `k8s-pod-network.${agent.node}.${this.#incarnations++}`;
      this.ledger.asks(handle);
      const want = this.#options.random() < 0.3 ? "dual" : "v4";
      const answer = await agent.ask({ call: "assign", request: requestOf(handle, agent.node, want) });
      if (answer?.assigned !== undefined) {
        this.figures.given += answer.assigned.length;
        this.#told(handle, answer.assigned);
        void this.#trouble();
        await systemClock.sleep(this.#options.random() * 100);
        // Some stay to the end.
        if (this.#options.random() < 0.05) continue;
      } else if (answer !== undefined) {
        this.figures.refused++;
      }
      this.ledger.givesBack(handle);
      if (this.#options.random() < 0.9) await this.#remove(agent, handle);
    }
  }

  #told(handle: string, assigned: Parameters<Ledger["told"]>[1]): void {
    try {
      this.ledger.told(handle, assigned);
    } catch (error) {
      this.breach(String(error));
    }
  }

  /** As often as it takes, as the kubelet does. */
  async #remove(agent: Agent, handle: string): Promise<void> {
    this.ledger.givesBack(handle);
    for (let tries = 0; tries < 50; tries++) {
      if ((await agent.ask({ call: "release", handle }))?.freed !== undefined) {
        this.figures.released++;
        this.ledger.gone(handle);
        return;
      }
      await systemClock.sleep(50);
    }
    this.breach(`${handle} cannot be given back`);
  }

  /** Every so many answers a process is killed, or all connections are cut, a moment later. */
  async #trouble(): Promise<void> {
    const { random, relay } = this.#options;
    if (random() > troubleShare) return;
    await systemClock.sleep(random() * 30);
    if (random() < 0.6) {
      this.figures.kills++;
      await this.#agents[Math.floor(random() * this.#agents.length)]?.kill();
    } else {
      this.figures.cuts++;
      relay.cut();
    }
  }

  #agentOf(handle: string): Agent {
    const found = this.#agents.find(({ node }) => handle.includes(`.${node}.`));
    if (found === undefined) throw new Error(`Cannot find the node of ${handle}`);
    return found;
  }

  async #expectNothingLeaked(store: KubeIpamStore): Promise<void> {
    const slots = (await store.blocks.list()).flatMap(({ value }) => slotsOf(value));
    const held = new Map(slots.flatMap(({ ip, state, handle = "" }) => (state === "held" ? [[ip, handle]] : [])));
    for (const [ip, handle] of this.ledger.live) {
      if (held.get(ip) !== handle) this.breach(`${ip} is ${handle}'s, and the store says ${held.get(ip)}`);
    }
    for (const [ip, handle] of held) {
      if (this.ledger.phaseOf(handle) !== "live") this.breach(`${ip} of ${handle} is left over`);
    }
    for (const { value } of await store.handles.list()) {
      if (this.ledger.phaseOf(value.spec.handleID) !== "live") {
        this.breach(`the record of ${value.spec.handleID} is left over`);
      }
    }
  }
}

function watchBlocks(client: KubeClient, course: Course): ChangeFeed {
  const feed = new ChangeFeed({
    ...{ client, kinds: ["ipamBlock"], clock: systemClock },
    onChanges: (changes) => {
      for (const change of changes) if (change.kind === "ipamBlock") course.see(change.key, change.value);
    },
    onRejected: ({ reason }) => course.breach(reason),
    onTrouble: ({ error }) => course.breach(String(error)),
  });
  feed.start();
  return feed;
}

import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../../bench/policy/random.ts";
import type { Pod } from "../../../src/api/objects.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import type { RulesBackend } from "../../../src/felix/dataplane/event-parts.ts";
import { mutationsOf } from "../drift-mutations.ts";
import { ChurnCluster } from "./churn-cluster.ts";
import { type BackendFigures, ChurnMeter } from "./churn-meter.ts";
import { ChurnNode, type Told } from "./churn-node.ts";
import { otherSettings, plainSettings } from "./churn-settings.ts";
import { type GrownCollection, GrownCollections } from "./grown-collections.ts";
import { type HeldResources, heldResources } from "./held-resources.ts";

/** How much is to be done. */
export interface ChurnRequest {
  readonly changes: number;
  /** What is held is looked at after so many. */
  readonly sampleEvery: number;
  readonly seed: number;
}

/** What was held once so many changes were in the kernel. */
export interface ChurnSample extends HeldResources {
  readonly changes: number;
  readonly backend: RulesBackend;
  /** Of all changes, 0 to 3. */
  readonly quarter: number;
}

/** What was found on the way. */
export interface ChurnFindings {
  readonly samples: readonly ChurnSample[];
  readonly figures: Readonly<Record<string, BackendFigures>>;
  /** What a newcomer would have written, at the end of each backend's last turn. */
  readonly newcomers: Readonly<Record<string, readonly string[]>>;
  /** How many things somebody else has changed. */
  readonly mutations: number;
  readonly told: Told;
  /** Collections that have taken in more than a tenth as many as there were changes in the second half, and given nothing back. */
  readonly grown: readonly GrownCollection[];
  readonly sizes: { readonly policyChains: number; readonly sets: number; readonly members: number };
}

/**
 * One node's Felix in a cluster that is never done changing: each backend has its turn in every quarter of the changes. To be made in a network namespace of this process's own, and run once.
 */
export class FelixChurn {
  readonly #request: ChurnRequest;
  readonly #random: Random;
  readonly #cluster: ChurnCluster;
  readonly #node: ChurnNode;
  readonly #meter = new ChurnMeter();
  /** Slots of pods that have an interface. */
  readonly #wired = new Set<number>();
  readonly #samples: ChurnSample[] = [];
  readonly #collections = new GrownCollections();
  #grown: readonly GrownCollection[] = [];
  /** How many changes there had been when collections were counted first. */
  #countedAt = 0;
  readonly #newcomers: Record<string, readonly string[]> = {};
  #undo: (() => void)[] = [];
  #backend: RulesBackend = backends[0];
  #quarter = 0;
  #done = 0;
  #mutations = 0;

  constructor(request: ChurnRequest) {
    this.#request = request;
    this.#random = new Random(request.seed);
    this.#cluster = new ChurnCluster(this.#random);
    this.#node = new ChurnNode(plainSettings(this.#backend));
  }

  /** All of it; the node is stopped at the end, also if something fails. `onSample` is told of each. */
  async run(onSample: (sample: ChurnSample) => void): Promise<ChurnFindings> {
    try {
      await this.#node.begin([...this.#cluster.changes()]);
      for (let slot = 0; slot < wiredPods; slot++) await this.#wire(slot, this.#cluster.localPod(slot), []);
      const sizes = sizesOf(this.#node);
      const events = this.#events();
      while (this.#done < this.#request.changes) {
        await this.#turn();
        const before = this.#done;
        await this.#batch();
        for (const [every, event] of events) {
          if (Math.floor(before / every) !== Math.floor(this.#done / every)) await event();
        }
        if (Math.floor(before / this.#request.sampleEvery) !== Math.floor(this.#done / this.#request.sampleEvery)) {
          onSample(await this.#sample());
        }
      }
      await this.#compare();
      const { told } = this.#node;
      const figures = this.#meter.figures();
      return {
        samples: this.#samples,
        newcomers: this.#newcomers,
        ...{ mutations: this.#mutations, grown: this.#grown },
        ...{ figures, told, sizes },
      };
    } finally {
      await this.#node.stop();
    }
  }

  /** After so many changes each. */
  #events(): readonly (readonly [number, () => Promise<void>])[] {
    return [
      [300, () => this.#exchangePod()],
      [500, () => this.#mutate()],
      [2000, async () => this.#node.configure(otherSettings(this.#backend, this.#random))],
      [3000, () => this.#apply(this.#cluster.upheaval())],
    ];
  }

  /** The next backend's, when it has come. */
  async #turn(): Promise<void> {
    const quarter = this.#request.changes / 4;
    const inQuarter = (this.#done % quarter) / quarter;
    this.#quarter = Math.floor(this.#done / quarter);
    const next = backends[Math.floor(inQuarter * backends.length)] ?? this.#backend;
    if (next === this.#backend) return;
    if (this.#quarter === 3 && next !== backends[0]) await this.#compare();
    this.#backend = next;
    this.#node.configure(plainSettings(next));
  }

  /** Mostly few things at once, and one batch waits for another but now and then. */
  async #batch(): Promise<void> {
    const count = this.#random.chance(10) ? 3 : 1;
    await Promise.all(Array.from({ length: count }, () => this.#apply(this.#steps())));
  }

  #steps(): readonly Change[] {
    return this.#meter.leaveOut(() => {
      const dice = this.#random.below(100);
      const count = dice < 60 ? 1 : dice < 90 ? 2 + this.#random.below(4) : 6 + this.#random.below(25);
      return Array.from({ length: count }, () => this.#cluster.step()).flat();
    });
  }

  async #apply(changes: readonly Change[]): Promise<void> {
    this.#done += changes.length;
    await this.#meter.batch(this.#backend, changes.length, () => this.#node.apply(changes));
  }

  async #exchangePod(): Promise<void> {
    const ending = this.#random.oneOf([...this.#wired]);
    await this.#node.unwire(this.#cluster.localPod(ending));
    this.#wired.delete(ending);
    const free = Array.from({ length: this.#cluster.localSlots }, (_, slot) => slot).filter(
      (slot) => !this.#wired.has(slot),
    );
    const slot = this.#random.oneOf(free);
    const { pod, changes } = this.#cluster.replace(slot);
    await this.#wire(slot, pod, changes);
    this.#done += changes.length + 2;
  }

  async #wire(slot: number, pod: Pod, changes: readonly Change[]): Promise<void> {
    this.#wired.add(slot);
    await this.#node.wire(pod, changes);
  }

  /** Somebody changes something of ours. What was changed just before may be in their way. */
  async #mutate(): Promise<void> {
    this.#meter.leaveOut(() => {
      const backend = this.#backend;
      const { state, links } = this.#node;
      const run = (program: string, ...argv: readonly string[]) =>
        execFileSync(variantOf(program, backend), argv, { encoding: "utf8", stdio: "pipe", maxBuffer: 1 << 26 });
      try {
        const node = { backend, state, links, run };
        const { program, argv, undo } = this.#random.oneOf(mutationsOf(node, (below) => this.#random.below(below)));
        run(program, ...argv);
        this.#mutations++;
        if (undo !== undefined) this.#undo.push(() => run(program, ...undo));
      } catch (error) {
        if (!(error instanceof Error && /Command failed|Cannot (pick|change)/.test(error.message))) throw error;
      }
    });
  }

  async #sample(): Promise<ChurnSample> {
    return await this.#meter.leaveOutAll(async () => {
      await this.#node.ask();
      for (const undo of this.#undo.splice(0)) undo();
      const found: HeldResources[] = [];
      // What is just being done holds something too.
      for (let round = 0; round < 4; round++) {
        await sleep(50);
        found.push(heldResources());
      }
      const least = (what: keyof HeldResources) => Math.min(...found.map((one) => one[what]));
      const held = { heapMb: least("heapMb"), rssMb: least("rssMb"), fds: least("fds"), children: least("children") };
      const place = { changes: this.#done, backend: this.#backend, quarter: this.#quarter };
      const sample = { ...place, ...held, timers: least("timers") };
      this.#samples.push(sample);
      await this.#count();
      return sample;
    });
  }

  /** In the first half some grow that are then as large as they will ever be. */
  async #count(): Promise<void> {
    if (this.#quarter < 2) return;
    if (this.#countedAt > 0) {
      this.#grown = this.#collections.look((this.#done - this.#countedAt) / 10);
      return;
    }
    this.#countedAt = this.#done;
    await this.#collections.begin(this.#done / 10);
  }

  /** Once all that others have changed was surely found. */
  async #compare(): Promise<void> {
    await this.#meter.leaveOutAll(async () => {
      for (const undo of this.#undo.splice(0)) undo();
      this.#node.configure(plainSettings(this.#backend));
      await this.#node.apply([]);
      await sleep(proofsMs);
      await this.#node.apply([]);
      this.#newcomers[this.#backend] = await this.#node.writesOfNewcomer();
    });
  }
}

// --- internal ---

const backends = ["nftables", "iptables-nft", "iptables-legacy"] as const;
const wiredPods = 30;
/** Two periods of `plainSettings`. */
const proofsMs = 2500;

function variantOf(program: string, backend: RulesBackend): string {
  return program.replace(/^(ip6?tables)/, backend === "iptables-legacy" ? "$1-legacy" : "$1-nft");
}

function sizesOf({ state }: ChurnNode): ChurnFindings["sizes"] {
  const chains = [...state.tables.values()].flatMap((table) => [...table.chains.keys()]);
  const members = [...state.sets.values()].reduce((sum, set) => sum + set.members.size, 0);
  return { policyChains: chains.filter((name) => /^cali-p[io]-/.test(name)).length, sets: state.sets.size, members };
}

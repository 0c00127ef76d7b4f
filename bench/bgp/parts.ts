/** What a pass of BGP is made of when a block comes or goes, each part by itself, with a BIRD whose neighbours are not there. */
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { waitFor } from "../../lab/wait.ts";
import { RunningConfig } from "../../src/agent/bgp/running-config.ts";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import type { BirdConfig } from "../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { needsObservation, planTransition } from "../../src/bgp/plan/transition.ts";
import { clusterProgress } from "../../src/bgp/plan/transition-progress.ts";
import { BirdPrinter } from "../../src/bgp/templates/bird-printer.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import type { Figures } from "../report.ts";
import { quantile } from "../statistics.ts";
import { absentNodes, addBlock, meshSnapshot, nodeName, plainInputs, removeBlock } from "./cluster.ts";
import type { Fleet, FleetMember } from "./fleet.ts";
import { plainBird } from "./plain-bird.ts";

export interface PartsOptions {
  readonly peers: number;
  readonly passes: number;
  readonly signal: AbortSignal;
}

/** By the first machine of the fleet. Its BIRD is ended at the end. */
export async function measureParts(fleet: Fleet, { peers, passes, signal }: PartsOptions): Promise<Figures> {
  const [member] = fleet.members;
  if (member === undefined) throw new Error("Cannot measure without a machine");
  await using undo = new AsyncDisposableStack();
  undo.defer(() => fleet.stop());
  await fleet.start(() => plainBird({ address: member.address, neighbors: [], blocks: [] }), 1);
  const { socketPath } = member;
  const control = undo.use(
    await waitFor("BIRD", { timeoutMs: 10_000, everyMs: 20, signal }, () => BirdControl.connect(socketPath)),
  );
  const node = new PassParts(member, peers);
  undo.defer(() => node.close());
  for (let pass = 0; pass < warmUp + passes; pass++) {
    signal.throwIfAborted();
    await node.pass(control);
    if (pass === warmUp - 1) node.times.clear();
    await sleep(restMs);
  }
  const unit = `${peers}_peers_ms`;
  return Object.fromEntries([...node.times].map(([part, ms]) => [`${part}_${unit}`, quantile(ms, 0.5)]));
}

// --- internal ---

const warmUp = 5;
const restMs = 20;

/** The pass of `Bgp`, cut into its parts. */
class PassParts {
  readonly times = new Map<string, number[]>();
  readonly #candidate: string;
  readonly #snapshot: ReturnType<typeof meshSnapshot>;
  readonly #node: ReturnType<typeof nodeName>;
  readonly #daemon: BirdDaemon;
  readonly #running: RunningConfig;
  readonly #printer = new BirdPrinter();
  #isThere = false;

  constructor({ name, address, configPath, socketPath }: FleetMember, peers: number) {
    const host = new LinuxHost();
    this.#candidate = `${configPath}.check`;
    this.#snapshot = meshSnapshot([{ name, address }, ...absentNodes(peers)]);
    this.#node = nodeName(name);
    this.#daemon = new BirdDaemon({ host, socketPath, configPath });
    const logger = pino({}, { write: () => undefined });
    this.#running = new RunningConfig({ host, path: `${configPath}.running`, configPath, logger });
  }

  /** A block comes, or the one that has come goes. */
  async pass(control: BirdControl): Promise<void> {
    if (this.#isThere) removeBlock(this.#snapshot, anyBlock);
    else addBlock(this.#snapshot, anyBlock, this.#node);
    this.#isThere = !this.#isThere;
    const wanted = await this.#timed("plan", () => this.#plan());
    const running = await this.#running.read();
    const config = await this.#timed("transition", () => this.#transition(wanted, running));
    const printed = await this.#timed("render", () => this.#printer.print(config));
    const text = await this.#timed("offer", () => this.#running.offer(config, printed));
    await this.#timed("render_anew", () => new BirdPrinter().print(config));
    await writeFile(this.#candidate, text, { mode: 0o600 });
    await this.#timed("check", () => control.command(`configure check "${this.#candidate}"`));
    await this.#timed("apply", () => this.#daemon.apply(text));
    await this.#running.taken();
  }

  close(): void {
    this.#daemon.close();
  }

  #plan(): BirdConfig {
    const wanted = planBgp({ ...plainInputs(), snapshot: this.#snapshot, node: this.#node });
    if (wanted === undefined) throw new Error("Cannot measure: the node has no plan");
    return wanted;
  }

  #transition(wanted: BirdConfig, running: BirdConfig | undefined): BirdConfig {
    const cluster = clusterProgress(this.#snapshot, this.#node);
    if (needsObservation(wanted, running)) throw new Error("Cannot measure: a block has changed a session");
    const still = { observed: undefined, isRecovering: false, overdue: new Set<string>() };
    return planTransition({ ...still, wanted, running, cluster }).config;
  }

  async #timed<T>(part: string, act: () => T | Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await act();
    const took = performance.now() - begin;
    const times = this.times.get(part) ?? [];
    this.times.set(part, times);
    times.push(took);
    return result;
  }
}

const anyBlock = "10.1.0.0/24";

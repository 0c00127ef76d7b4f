import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../lab/cluster.ts";
import type { NodeLayout } from "../../lab/layout.ts";
import { daemonProcesses, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { isAlive, type ProcessIdentity } from "../../lab/processes.ts";

/** How often what was done to the agent. */
export interface Disturbances {
  readonly pauses: number;
  readonly kills: number;
  readonly slowdowns: number;
}

/** Longer than the plugin waits for an agent. */
const absenceMs = 11_500;

/** Pauses, kills and slows the agent of one node at random until it is told to leave off. */
export class AgentDisturber {
  readonly #lab: Lab;
  readonly #node: NodeLayout;
  readonly #random: () => number;
  #done: Disturbances = { pauses: 0, kills: 0, slowdowns: 0 };

  constructor(lab: Lab, node: NodeLayout, random: () => number) {
    this.#lab = lab;
    this.#node = node;
    this.#random = random;
  }

  get done(): Disturbances {
    return this.#done;
  }

  /** Resolves after `signal` aborted, with the agent running. */
  async disturb(signal: AbortSignal): Promise<void> {
    const pause = () => this.#pause(this.#between(50, 1_500));
    const slow = () => this.#slow(this.#between(500, 3_000));
    const turns = [pause, slow, pause, () => this.#kill(), slow];
    for (let turn = 0; !signal.aborted; turn++) {
      await turns[turn % turns.length]?.();
      await sleep(this.#between(100, 1_500));
    }
  }

  /** Takes it away for longer than an ADD waits. */
  async takeAway(): Promise<void> {
    await killDaemon(this.#lab.layout, this.#node, "agent", "down");
    this.#count("kills");
    await sleep(absenceMs);
    await releaseDaemon(this.#node, "agent");
  }

  async #kill(): Promise<void> {
    await killDaemon(this.#lab.layout, this.#node, "agent");
    this.#count("kills");
    // Half of the time it is killed again while it starts, else it gets so far as to serve.
    await sleep(this.#between(500, 6_000));
  }

  async #pause(ms: number): Promise<void> {
    const agent = this.#processes();
    signalAll(agent, "SIGSTOP");
    await sleep(ms);
    signalAll(agent, "SIGCONT");
    if (agent.length > 0) this.#count("pauses");
  }

  /** It gets a fifth of the time. */
  async #slow(ms: number): Promise<void> {
    const agent = this.#processes();
    for (const end = performance.now() + ms; performance.now() < end; ) {
      signalAll(agent, "SIGSTOP");
      await sleep(16);
      signalAll(agent, "SIGCONT");
      await sleep(4);
    }
    if (agent.length > 0) this.#count("slowdowns");
  }

  #processes(): readonly ProcessIdentity[] {
    return daemonProcesses(this.#lab.layout, this.#node, "agent");
  }

  #between(least: number, most: number): number {
    return least + this.#random() * (most - least);
  }

  #count(what: keyof Disturbances): void {
    this.#done = { ...this.#done, [what]: this.#done[what] + 1 };
  }
}

// --- internal ---

function signalAll(processes: readonly ProcessIdentity[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const one of processes) {
    if (!isAlive(one)) continue;
    try {
      process.kill(one.pid, signal);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
    }
  }
}

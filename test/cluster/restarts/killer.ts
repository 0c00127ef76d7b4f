import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../../lab/cluster.ts";
import { daemonProcesses, killDaemon } from "../../../lab/node.ts";
import { isAlive, kill, type ProcessIdentity, processesOf } from "../../../lab/processes.ts";
import type { Chronicle } from "./chronicle.ts";
import { between, oneOf, type Random } from "./random.ts";

/** How often what was done. */
export interface Killings {
  /** Of agents, those below with them. */
  readonly kills: number;
  /** The agent's own process only: what it has just started goes on. */
  readonly alone: number;
  /** Times that the API server stood still around a kill. */
  readonly pauses: number;
}

/** Kills the agents of all nodes at random, now and then with the API server standing still. */
export class Killer {
  readonly #lab: Lab;
  readonly #chronicle: Chronicle;
  readonly #random: Random;
  #done: Killings = { kills: 0, alone: 0, pauses: 0 };

  constructor(lab: Lab, { chronicle, random }: { readonly chronicle: Chronicle; readonly random: Random }) {
    this.#lab = lab;
    this.#chronicle = chronicle;
    this.#random = random;
  }

  get done(): Killings {
    return this.#done;
  }

  /** Resolves after `signal` aborted, with the API server running; the agents come back by themselves. */
  async go(signal: AbortSignal): Promise<void> {
    for (let turn = 1; !signal.aborted; turn++) {
      await sleep(between(1_000, 4_000, this.#random));
      if (turn % pauseEvery === 0) await this.#killDuringPause();
      else await this.#kill();
    }
  }

  async #killDuringPause(): Promise<void> {
    const resume = pauseApiServer(this.#lab);
    this.#chronicle.add("the API server stands still");
    try {
      for (let round = oneOf([1, 2], this.#random); round > 0; round--) {
        await this.#kill();
        await sleep(between(1_000, 2_500, this.#random));
      }
    } finally {
      resume();
      this.#chronicle.add("the API server goes on");
    }
    this.#done = { ...this.#done, pauses: this.#done.pauses + 1 };
  }

  async #kill(): Promise<void> {
    const { layout } = this.#lab;
    const node = oneOf(layout.nodes, this.#random);
    const all = daemonProcesses(layout, node, "agent");
    if (all.length === 0) return;
    const isAlone = this.#random() < 0.5;
    this.#chronicle.add(`kill the agent of ${node.name}${isAlone ? " alone" : ""}`);
    if (isAlone) await kill(all.slice().sort(byStart).slice(0, 1));
    else await killDaemon(layout, node, "agent");
    this.#done = {
      ...{ ...this.#done, kills: this.#done.kills + 1 },
      alone: this.#done.alone + (isAlone ? 1 : 0),
    };
  }
}

/** Stops kube-apiserver where it stands (SIGSTOP). Answers what lets it go on. */
export function pauseApiServer({ layout }: Pick<Lab, "layout">): () => void {
  const found = processesOf(layout.folder).filter(({ pid }) => commandOf(pid).includes("kube-apiserver"));
  if (found.length === 0) throw new Error(`Cannot pause kube-apiserver: lab ${layout.name} runs none`);
  const send = (signal: NodeJS.Signals) => {
    for (const one of found) if (isAlive(one)) process.kill(one.pid, signal);
  };
  send("SIGSTOP");
  return () => send("SIGCONT");
}

// --- internal ---

const pauseEvery = 6;

function byStart(a: ProcessIdentity, b: ProcessIdentity): number {
  return Number(a.startTicks) - Number(b.startTicks) || a.pid - b.pid;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] ?? "";
  } catch (cause) {
    if (["ENOENT", "ESRCH"].includes((cause as NodeJS.ErrnoException).code ?? "")) return "";
    throw cause;
  }
}

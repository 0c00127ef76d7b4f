import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../../../lab/run.ts";
import type { News, Order, PeerFigures, PeerPorts } from "./orders.ts";

/** Where a peer runs, and whom its news concerns. */
export interface PeerPlace {
  readonly name: string;
  readonly address: string;
  /** The argv that puts a program into its network namespace. */
  readonly enter: readonly [string, ...string[]];
  readonly ports: PeerPorts;
}

/** Told of what must not happen: a forbidden arrival, or the end of a connection. */
export type OnBreach = (breach: string) => void;

/** The traffic of one pod, in a process of its own (traffic-peer.ts). Disposing of it ends it. */
export class Peer implements AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly #enter: readonly [string, ...string[]];
  readonly #child: ChildProcess;
  readonly #onBreach: OnBreach;
  readonly #waiting: { readonly isIt: (news: News) => boolean; readonly resolve: (news: News) => void }[] = [];
  /** What has arrived at its watched ports, one line a kind. */
  readonly arrivals: string[] = [];
  #isEnding = false;

  private constructor({ name, address, enter, ports }: PeerPlace, onBreach: OnBreach) {
    this.name = name;
    this.address = address;
    this.#enter = enter;
    this.#onBreach = onBreach;
    const [program, ...rest] = [...enter, process.execPath, script, JSON.stringify(ports)] as [string, ...string[]];
    this.#child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.once("exit", (code, signal) => {
      if (!this.#isEnding) onBreach(`the traffic of ${name} has ended by itself (${code ?? signal})`);
    });
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(JSON.parse(line) as News));
  }

  /** Resolves when it listens on its ports. */
  static async start(place: PeerPlace, onBreach: OnBreach): Promise<Peer> {
    const peer = new Peer(place, onBreach);
    await peer.#next((news) => news.news === "listening");
    return peer;
  }

  /** Has it do something. Nobody waits for it. */
  order(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** Opens a connection that it keeps. Resolves when the first line came back. */
  async hold(to: { readonly name: string; readonly address: string }, port: number): Promise<void> {
    const name = `${this.name} → ${to.name}`;
    const held = this.#next((news) => news.news === "held" && news.name === name);
    this.order({ order: "hold", to: { name, address: to.address, port } });
    await held;
  }

  /** What a program prints in its network namespace. Rejects when it fails. */
  readonly run = (argv: readonly string[], stdin?: string): Promise<string> =>
    run([...this.#enter, ...argv], stdin === undefined ? {} : { stdin });

  /** What it has done until now. */
  async figures(): Promise<PeerFigures> {
    const told = this.#next((news) => news.news === "figures");
    this.order({ order: "tell" });
    return (await told) as PeerFigures & News;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }

  #hear(news: News): void {
    if (news.news === "broken") this.#onBreach(`${news.name} has broken: ${news.why}`);
    if (news.news === "arrived") {
      const line = `${news.protocol} ${news.from} → ${this.name}:${news.port}`;
      this.arrivals.push(line);
      this.#onBreach(`a forbidden packet has arrived: ${line}`);
    }
    const index = this.#waiting.findIndex(({ isIt }) => isIt(news));
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve(news);
  }

  #next(isIt: (news: News) => boolean): Promise<News> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`Cannot hear from the traffic of ${this.name}`)), answerMs);
      const heard = (news: News) => {
        clearTimeout(timer);
        resolve(news);
      };
      this.#waiting.push({ isIt, resolve: heard });
    });
  }
}

// --- internal ---

const script = join(import.meta.dirname, "traffic-peer.ts");
const answerMs = 60_000;

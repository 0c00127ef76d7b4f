import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { NodeName } from "../../src/api/names.ts";
import type { WorkerAnswer, WorkerCall } from "./ipam-worker.ts";

const program = join(import.meta.dirname, "ipam-worker.ts");

/** One node's agent in a process of its own; it is started anew by the first call after it was killed. */
export class Agent {
  readonly node: NodeName;
  readonly #kubeconfig: string;
  readonly #waiting = new Map<number, (answer: WorkerAnswer | undefined) => void>();
  #child: ChildProcessWithoutNullStreams | undefined;
  #calls = 0;

  constructor(node: NodeName, kubeconfig: string) {
    this.node = node;
    this.#kubeconfig = kubeconfig;
  }

  /** Undefined when the process was killed before it answered. */
  ask(call: Ask): Promise<WorkerAnswer | undefined> {
    const child = this.#child ?? this.#start();
    this.#child = child;
    const id = this.#calls++;
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer | undefined>();
    this.#waiting.set(id, resolve);
    child.stdin.write(`${JSON.stringify({ ...call, id })}\n`);
    return promise;
  }

  /** SIGKILL, at whatever it is at. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    for (const answer of waiting) answer(undefined);
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn(process.execPath, [program, this.#kubeconfig, this.node], { stdio: "pipe" });
    child.stdin.on("error", () => undefined);
    child.stderr.on("data", (text) => process.stderr.write(`${this.node}: ${text}`));
    createInterface({ input: child.stdout }).on("line", (line) => {
      // What was printed before the end is not an answer once the process was given up.
      if (this.#child !== child) return;
      const answer = JSON.parse(line) as WorkerAnswer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    return child;
  }
}

// --- internal ---

type Ask = WorkerCall extends infer C ? (C extends WorkerCall ? Omit<C, "id"> : never) : never;

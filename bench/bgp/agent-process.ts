import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AgentAnswer, AgentChange, AgentRequest } from "./agent.ts";

/** The process of `agent.ts`. Disposing of it ends it. */
export class AgentProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  /** Resolves once BIRD has taken the first configuration. Rejects when the process ends before. */
  static async start(request: AgentRequest): Promise<AgentProcess> {
    const script = fileURLToPath(new URL("./agent.ts", import.meta.url));
    const agent = new AgentProcess(
      fork(script, [JSON.stringify(request)], { execArgv: ["--disable-warning=ExperimentalWarning"] }),
    );
    await agent.#answer();
    return agent;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves once BIRD has taken it, with the time at which the agent was told. Rejects when the process has ended. */
  async change(change: AgentChange): Promise<number> {
    const answer = this.#answer();
    this.#child.send(change);
    return (await answer).at;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  async #answer(): Promise<AgentAnswer> {
    const done = new AbortController();
    const ended = once(this.#child, "exit", { signal: done.signal }).then(([code, signal]) => {
      throw new Error(`Cannot measure our own part: its process ended with ${code ?? signal}`);
    });
    try {
      const [answer] = await Promise.race([once(this.#child, "message", { signal: done.signal }), ended]);
      return answer as AgentAnswer;
    } finally {
      // Nobody waits for the other any more.
      ended.catch(() => undefined);
      done.abort();
    }
  }
}

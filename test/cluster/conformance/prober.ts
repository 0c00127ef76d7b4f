import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../../../lab/run.ts";

/** `+` answered, `-` silence, `x` refused. */
export type ProbeAnswer = "+" | "-" | "x";

/** Compiles the program into this folder and gives its path. */
export async function buildProber(folder: string): Promise<string> {
  const path = join(folder, "prober");
  const flags = ["-static", "-Os", "-Wall", "-Wextra", "-Werror"];
  await run(["gcc", ...flags, "-o", path, join(import.meta.dirname, "prober.c")]);
  return path;
}

/** One process that asks from a network namespace; see prober.c. Disposing of it ends it. */
export class Prober implements Disposable {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #said = "";

  private constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.#name = name;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.on("data", (text: Buffer) => {
      this.#said += text.toString();
    });
    // What it cannot be told, its answer's absence tells.
    child.stdin.on("error", () => {});
  }

  /** Resolves once it stands ready. `name` is for messages. */
  static async start(name: string, argv: readonly [string, ...string[]]): Promise<Prober> {
    const [program, ...rest] = argv;
    const prober = new Prober(name, spawn(program, rest));
    await prober.#next("ready");
    return prober;
  }

  /** Asks all targets (`t192.0.2.1:80`) at once, and waits for silent ones this long. */
  async ask(targets: readonly string[], timeoutMs: number): Promise<readonly ProbeAnswer[]> {
    const line = await this.#command(["ask", `${timeoutMs}`, ...targets].join(" "));
    if (line.length !== targets.length) {
      throw new Error(`Cannot ask from ${this.#name}: ${line.length} answers to ${targets.length} questions`);
    }
    return [...line] as ProbeAnswer[];
  }

  /** Opens a connection and keeps it. Rejects when that does not work. */
  async hold(target: string): Promise<void> {
    const answer = await this.#command(`hold ${target}`);
    if (answer !== "+") throw new Error(`Cannot connect from ${this.#name} to ${target}: ${answer}`);
  }

  /** Whether each kept connection still carries a byte there and back. */
  async say(timeoutMs: number): Promise<readonly boolean[]> {
    return [...(await this.#command(`say ${timeoutMs}`))].map((letter) => letter === "+");
  }

  /** Closes the kept connections. */
  async drop(): Promise<void> {
    await this.#command("drop");
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }

  async #command(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    return this.#next();
  }

  async #next(wanted?: string): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true || (wanted !== undefined && value !== wanted)) {
      throw new Error(
        `Cannot go on with the prober of ${this.#name}: ${this.#said || `it said ${JSON.stringify(value)}`}`,
      );
    }
    return value;
  }
}

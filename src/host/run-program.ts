import { type ChildProcess, spawn } from "node:child_process";
import { CommandError, type RunOptions, type RunResult } from "./host.ts";
import { codeOf } from "./system-error.ts";

/** The most that a program may say on each of stdout and stderr before it is stopped. */
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Runs a program to its end: until it has ended and closed its output. No shell, no stdin unless given.
 * `options.env` is added to this process's own environment. A program that does not read its stdin is no error.
 * Rejects with a `CommandError` when it cannot be started, ends non-zero or by a signal, says more than 64 MiB,
 * or is killed because of `timeoutMs` (default 30 s) or `signal`.
 */
export async function runProgram(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
  limitBytes: number = OUTPUT_LIMIT_BYTES,
): Promise<RunResult> {
  const [program, ...rest] = argv;
  const child = spawn(program, rest, {
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: options.env === undefined ? process.env : { ...process.env, ...options.env },
  });
  return new RunningProgram(argv, child, limitBytes).finish(options);
}

// --- internal ---

interface Failure {
  readonly reason: string;
  readonly cause?: unknown;
}

class RunningProgram {
  readonly #argv: readonly string[];
  readonly #child: ChildProcess;
  readonly #limitBytes: number;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  #failure: Failure | undefined;

  constructor(argv: readonly string[], child: ChildProcess, limitBytes: number) {
    this.#argv = argv;
    this.#child = child;
    this.#limitBytes = limitBytes;
  }

  async finish({ stdin, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: RunOptions): Promise<RunResult> {
    const timer = setTimeout(() => this.#stop({ reason: `was stopped after ${timeoutMs} ms` }), timeoutMs);
    const abort = () => this.#stop({ reason: "was stopped: nobody waits for it any more", cause: signal?.reason });
    signal?.addEventListener("abort", abort, { once: true });
    try {
      if (signal?.aborted) abort();
      this.#collect(this.#child.stdout, this.#stdout);
      this.#collect(this.#child.stderr, this.#stderr);
      if (stdin !== undefined) this.#feed(stdin);
      const [exitCode, endedBy] = await this.#closed();
      return this.#result(exitCode, endedBy);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  #closed(): Promise<[number | null, NodeJS.Signals | null]> {
    const { promise, resolve } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
    this.#child.once("error", (cause) => {
      this.#failure ??= { reason: `could not be started: ${codeOf(cause) ?? cause.message}`, cause };
      // Without a pid there is no process and so no "close" to wait for.
      if (this.#child.pid === undefined) resolve([null, null]);
    });
    this.#child.once("close", (exitCode, endedBy) => resolve([exitCode, endedBy]));
    return promise;
  }

  #result(exitCode: number | null, endedBy: NodeJS.Signals | null): RunResult {
    const stdout = Buffer.concat(this.#stdout).toString("utf8");
    const stderr = Buffer.concat(this.#stderr).toString("utf8");
    if (endedBy !== null) this.#failure ??= { reason: `was ended by ${endedBy}` };
    if (this.#failure === undefined && exitCode === 0) return { stdout, stderr };
    throw new CommandError({
      argv: this.#argv,
      exitCode: this.#failure === undefined ? (exitCode ?? undefined) : undefined,
      stdout,
      stderr,
      ...this.#failure,
    });
  }

  #collect(stream: ChildProcess["stdout"], chunks: Buffer[]): void {
    let bytes = 0;
    stream?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= this.#limitBytes) chunks.push(chunk);
      else this.#stop({ reason: `was stopped: it said more than ${this.#limitBytes} bytes` });
    });
  }

  #feed(text: string): void {
    this.#child.stdin?.on("error", (cause) => {
      // The program ended or closed its stdin early. Whether that is a failure is for its exit code to say.
      if (codeOf(cause) === "EPIPE" || codeOf(cause) === "ECONNRESET") return;
      this.#stop({ reason: `could not be fed: ${codeOf(cause) ?? cause.message}`, cause });
    });
    this.#child.stdin?.end(text);
  }

  #stop(failure: Failure): void {
    this.#failure ??= failure;
    this.#child.kill("SIGKILL");
    // A grandchild may hold the pipes open; what it says no longer matters.
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#child.stdin?.destroy();
  }
}

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { Socket } from "node:net";
import { CommandError, type KeptProgram } from "./host.ts";
import { forgetProgram, noteProgram } from "./netlink/own-ports.ts";
import { codeOf } from "./system-error.ts";

/** A child of this process. */
export class KeptChild implements KeptProgram {
  readonly #argv: readonly [string, ...string[]];
  readonly #child: ChildProcessWithoutNullStreams;
  #unread = "";
  #stderr = "";
  #failure: CommandError | undefined;
  #waiting: Waiting | undefined;

  /** Starts it. That it cannot be started is for the first `ask` to say. */
  constructor(argv: readonly [string, ...string[]]) {
    this.#argv = argv;
    const [program, ...rest] = argv;
    this.#child = spawn(program, rest, { stdio: "pipe" });
    // What it changes in the kernel is our own doing.
    const { pid } = this.#child;
    if (pid !== undefined) {
      noteProgram(pid);
      // The kernel's last events of it may still be on their way.
      this.#child.once("exit", () => setTimeout(() => forgetProgram(pid), forgetMs).unref());
    }
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-quotedBytes);
    });
    this.#child.once("error", (cause) => this.#fail(`could not be started: ${codeOf(cause) ?? cause.message}`, cause));
    // Once its output has been read to the end: it says why on standard error.
    this.#child.once("close", (exitCode, signal) =>
      this.#fail(signal === null ? `ended with ${exitCode}` : `was ended by ${signal}`),
    );
    // Its end has been, or will be, told by "close".
    this.#child.stdin.on("error", (cause) => this.#stop(`could not be fed: ${codeOf(cause) ?? cause.message}`));
    this.#detach();
  }

  get isAlive(): boolean {
    return this.#failure === undefined;
  }

  ask(text: string, answer: string, timeoutMs: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waiting !== undefined) {
      return Promise.reject(new Error(`Cannot ask ${this.#argv.join(" ")}: the last question is not answered yet`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#stop(`did not answer within ${timeoutMs} ms`), timeoutMs);
    this.#waiting = { answer, resolve, reject, timer };
    this.#child.stdin.write(text);
    return promise;
  }

  close(): void {
    this.#failure ??= this.#error("was closed");
    this.#child.stdin.end();
  }

  /** It must not keep this process running while nobody asks it anything: the time limit of an `ask` does. */
  #detach(): void {
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      if (stream instanceof Socket) stream.unref();
    }
  }

  #read(text: string): void {
    const lines = (this.#unread + text).split("\n");
    this.#unread = (lines.pop() ?? "").slice(-quotedBytes);
    const waiting = this.#waiting;
    if (waiting === undefined || !lines.includes(waiting.answer)) return;
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    waiting.resolve();
  }

  #stop(reason: string): void {
    this.#child.kill("SIGKILL");
    // What it said on its way out is told with its end, unless that is the reason already.
    if (!reason.startsWith("could not be fed")) this.#fail(reason);
  }

  #fail(reason: string, cause?: unknown): void {
    this.#failure ??= this.#error(reason, cause);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(waiting?.timer);
    waiting?.reject(this.#failure);
  }

  #error(reason: string, cause?: unknown): CommandError {
    return new CommandError({ argv: this.#argv, exitCode: undefined, stderr: this.#stderr, reason, cause });
  }
}

// --- internal ---

interface Waiting {
  readonly answer: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const forgetMs = 2_000;

/** Of what it says, as much as a message quotes. */
const quotedBytes = 2000;

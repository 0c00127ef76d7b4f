import { createConnection, type Socket } from "node:net";
import { messageOf } from "../../net/message-of.ts";
import { BirdError } from "./bird-error.ts";
import { type BirdReply, ReplyReader } from "./reply-reader.ts";

/** Bounds of one connection, and what it tells beside answers. */
export interface BirdControlOptions {
  /** For the connection and for each answer. Default 5 s. */
  readonly timeoutMs?: number;
  /** Told what BIRD logs, once the command `echo` has asked for it. */
  readonly onLog?: (line: string) => void;
  /** Told once that the connection has ended, whoever ended it. */
  readonly onEnd?: () => void;
}

interface Waiting {
  readonly action: string;
  readonly resolve: (reply: BirdReply) => void;
  readonly reject: (error: BirdError) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One connection to a BIRD daemon's control socket. Commands may overlap; answers come in order. After any error but
 * `refused` the connection is closed, and the caller makes another when it wants one.
 */
export class BirdControl implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #waiting: Waiting[] = [];
  readonly #reader: ReplyReader;
  readonly #onEnd: () => void;
  #ended: BirdError | undefined;

  /** Resolves once BIRD has greeted. Rejects with a BirdError. */
  static async connect(path: string, options: BirdControlOptions = {}): Promise<BirdControl> {
    const control = new BirdControl(path, options);
    await control.#expect("connect");
    return control;
  }

  private constructor(path: string, options: BirdControlOptions) {
    this.#path = path;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#reader = new ReplyReader(options.onLog);
    this.#onEnd = options.onEnd ?? (() => undefined);
    this.#socket = createConnection(path).setEncoding("utf8");
    this.#socket.on("data", (chunk: string) => this.#read(chunk));
    this.#socket.on("error", (cause: NodeJS.ErrnoException) =>
      this.#end(cause.syscall === "connect" ? "unreachable" : "closed", reasonOf(cause), cause),
    );
    this.#socket.on("close", () => this.#end("closed", "BIRD closed the connection before its answer was whole"));
  }

  /**
   * Sends one command of one line and resolves with BIRD's answer. Rejects with a BirdError, `refused` for a reply code
   * from 8000 on: its message holds what BIRD said.
   */
  async command(text: string): Promise<BirdReply> {
    const action = `run ${JSON.stringify(text)}`;
    if (/[^ -~]/.test(text)) throw this.#error(action, "protocol", "a command is one line of printable ASCII");
    const answer = this.#expect(action);
    this.#socket.write(`${text}\n`);
    const reply = await answer;
    if (reply.code < 8000) return reply;
    const said = reply.lines.map((line) => line.text.trim()).join("; ");
    throw this.#error(action, "refused", `${reply.code} ${said}`, { code: reply.code });
  }

  /** Whether it can be asked anything. One that cannot stays so. */
  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** Ends the connection; commands that have no answer yet are rejected as `closed`. */
  close(): void {
    this.#end("closed", "the connection was closed on this side");
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expect(action: string): Promise<BirdReply> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#error(action, this.#ended.reason, "the connection has ended", { cause: this.#ended }));
        return;
      }
      // Answers come in order: one that is late leaves nothing to tell which answer comes next.
      const timer = setTimeout(() => this.#end("timeout", `no answer in ${this.#timeoutMs} ms`), this.#timeoutMs);
      this.#waiting.push({ action, resolve, reject, timer });
    });
  }

  #read(chunk: string): void {
    try {
      for (const reply of this.#reader.read(chunk)) {
        const waiting = this.#waiting.shift();
        clearTimeout(waiting?.timer);
        waiting?.resolve(reply);
      }
    } catch (cause) {
      this.#end("protocol", messageOf(cause), cause);
    }
  }

  #end(reason: BirdError["reason"], detail: string, cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = this.#error("keep a connection", reason, detail, { cause });
    this.#socket.destroy();
    for (const { action, reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(this.#error(action, reason, detail, { cause }));
    }
    this.#onEnd();
  }

  #error(
    action: string,
    reason: BirdError["reason"],
    detail: string,
    more: { readonly code?: number; readonly cause?: unknown } = {},
  ): BirdError {
    return new BirdError({ action, reason, socketPath: this.#path, detail, ...more });
  }
}

// --- internal ---

function reasonOf(cause: NodeJS.ErrnoException): string {
  if (cause.code === "ENOENT") return "there is no such socket; BIRD has not started";
  if (cause.code === "ECONNREFUSED") return "nothing listens there; BIRD has stopped";
  return cause.message;
}

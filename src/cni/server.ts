import { type FSWatcher, watch } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { cniErrorOf, formatCniError } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { forgetEarlierBoot } from "./earlier-boot.ts";
import { FrameReader, formatAnswer } from "./frame.ts";
import { CniPlugin } from "./plugin.ts";
import { removeDrafts } from "./remove-drafts.ts";
import { parseFrame, type RawRequest } from "./request.ts";
import { restoreHostSettings } from "./restore-host-settings.ts";
import { Spool } from "./spool.ts";
import { type CniTiming, defaultTiming } from "./timing.ts";

export interface CniServerOptions {
  /** `/run/margay/cni.sock` on a node: what the shim was compiled with. */
  readonly socketPath: string;
  /** What is left out is `defaultTiming`'s. */
  readonly timing?: Partial<CniTiming>;
}

/** The agent's side of the CNI executables: one request a connection over a unix socket that only root can reach. */
export class CniServer {
  readonly #node: CniDependencies;
  readonly #socketPath: string;
  readonly #timing: CniTiming;
  readonly #spool: Spool;
  readonly #plugin: CniPlugin;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  /** When a caller last went, by the monotonic clock. */
  #lastEndedAt = Number.NEGATIVE_INFINITY;
  #watcher: FSWatcher | undefined;
  readonly #closing = new AbortController();

  constructor(node: CniDependencies, { socketPath, timing }: CniServerOptions) {
    this.#node = node;
    this.#socketPath = socketPath;
    this.#timing = { ...defaultTiming, ...timing };
    const plugin = new CniPlugin(node, this.#timing);
    this.#plugin = plugin;
    const never = new AbortController().signal;
    const answer = (request: RawRequest) => plugin.answer(request, never);
    this.#spool = new Spool({ host: node.host, folder: node.paths.spool, report: node.report, answer });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Puts in order what an earlier agent left, carries out the DELs that came while there was none, then listens; one that
   * fails is tried again from time to time. Rejects when the folders or the socket cannot be made, or the attachments or
   * links not be read.
   */
  async start(): Promise<void> {
    for (const folder of [this.#node.paths.spool, this.#node.paths.intents]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    }
    await removeDrafts(this.#node);
    await forgetEarlierBoot(this.#node);
    await restoreHostSettings(await this.#node.attachments.list(), this.#node);
    this.#watcher = watch(this.#node.paths.spool, () => this.#track(this.#drainSpool()));
    this.#watcher.on("error", (error) => this.#node.report("error", "Cannot watch the spool of DELs", { error }));
    await this.#drainSpool();
    await this.#undoInterrupted();
    const folder = dirname(this.#socketPath);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    await rm(this.#socketPath, { force: true });
    await this.#listen();
    await chmod(this.#socketPath, 0o600);
    this.#track(this.#retry());
  }

  /** Whether a caller waits for its answer, or has just had it: most come one after the other. */
  get isBusy(): boolean {
    return this.#open.size > 0 || this.#node.clock.monotonicNow() < this.#lastEndedAt + restMs;
  }

  /** As `CniPlugin.podsToCome`. */
  get podsToCome(): number {
    return this.#plugin.podsToCome;
  }

  /** Stops listening, aborts what is under way and waits for its undoing. The spool keeps what comes from now on. */
  async close(): Promise<void> {
    this.#watcher?.close();
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open) socket.destroy();
    await closed;
    await Promise.allSettled(this.#running);
    await this.#plugin.close();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#socketPath, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const reader = new FrameReader();
    const hangUp = new AbortController();
    let asked = false;
    this.#open.add(socket);
    socket.on("close", () => {
      this.#open.delete(socket);
      this.#lastEndedAt = this.#node.clock.monotonicNow();
      hangUp.abort(new Error("Cannot finish the request: the caller hung up"));
    });
    socket.on("error", (error) =>
      this.#node.report("warn", "Cannot answer a CNI caller: its connection broke", { error }),
    );
    socket.on("data", (chunk) => {
      if (asked) return;
      try {
        const body = reader.push(chunk);
        if (body === undefined) return;
        asked = true;
        this.#track(this.#reply(socket, body, hangUp.signal));
      } catch (error) {
        this.#node.report("error", "Cannot read a CNI request", { error });
        socket.destroy();
      }
    });
  }

  #track(running: Promise<void>): void {
    const kept = running.catch((error: unknown) =>
      this.#node.report("error", "Cannot answer a CNI request", { error }),
    );
    this.#running.add(kept);
    void kept.then(() => this.#running.delete(kept));
  }

  async #reply(socket: Socket, body: string, hangUp: AbortSignal): Promise<void> {
    let answer: Parameters<typeof formatAnswer>[0];
    try {
      answer = await this.#plugin.answer(parseFrame(body), hangUp);
    } catch (error) {
      answer = { exitCode: 1, stdout: formatCniError(cniErrorOf(error), "1.1.0") };
    }
    socket.end(formatAnswer(answer));
  }

  /** What could not be done when it was asked for is tried for as long as the server runs. */
  async #retry(): Promise<void> {
    const { signal } = this.#closing;
    const rested = () =>
      this.#node.clock.sleep(this.#timing.retryMs, signal).then(
        () => true,
        // A sleep ends early only for `close`.
        () => false,
      );
    while (await rested()) {
      await Promise.all([this.#drainSpool(), this.#undoInterrupted(), this.#drainJournal(), this.#sweepHolds()]);
    }
  }

  async #drainSpool(): Promise<void> {
    try {
      const left = await this.#spool.drain();
      if (left > 0) this.#node.report("warn", `Cannot carry out all DELs that were kept: ${left} are left for later`);
    } catch (error) {
      this.#node.report("error", "Cannot carry out the DELs that were kept", { error });
    }
  }

  async #undoInterrupted(): Promise<void> {
    await this.#plugin.undoInterrupted().catch((error: unknown) => {
      this.#node.report("error", "Cannot look for ADDs that were cut short", { error });
    });
  }

  async #drainJournal(): Promise<void> {
    await this.#plugin.drainJournal().catch((error: unknown) => {
      this.#node.report("error", "Cannot give back addresses that are still owed", { error });
    });
  }

  async #sweepHolds(): Promise<void> {
    await this.#plugin.sweepHolds().catch((error: unknown) => {
      this.#node.report("error", "Cannot look for addresses of networks that are used no more", { error });
    });
  }
}

// --- internal ---

/** Longer than a runtime takes from one answer to its next question. */
const restMs = 50;

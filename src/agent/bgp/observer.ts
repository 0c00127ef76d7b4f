import { BirdControl } from "../../bgp/bird/bird-control.ts";
import { BirdError } from "../../bgp/bird/bird-error.ts";
import { type BirdRoute, parseRoutes } from "../../bgp/bird/parse-routes.ts";
import type { DaemonStatus } from "../../bgp/bird/parse-status.ts";
import { askBirdStatus } from "../../bgp/bird/read-bird-status.ts";
import type { ObservedBgp } from "../../bgp/plan/observed-bgp.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Logger } from "../logger.ts";

export interface ObserverParts {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
}

/** What BIRD does at one moment, without the networks that arrive. While it does not answer it has no sessions. */
export interface Observation extends ObservedBgp {
  /** When that was, in milliseconds since 1970. */
  readonly at: number;
  readonly daemon: DaemonStatus | undefined;
  /** Why it does not answer. */
  readonly trouble: string | undefined;
}

/** Who is told what is seen. None may throw. */
export interface ObserverListener {
  /** Each look, about once a second, also when nothing changed; `isNews`: something has. */
  readonly looked?: (now: Observation, isNews: boolean) => void;
  /** A line of BIRD's log, as it is written, of the classes info, remote, warning, error, auth, fatal and bug. */
  readonly logged?: (line: string) => void;
}

/**
 * Knows what BIRD does. One control connection is kept through which BIRD is asked every second, and at once when it logs
 * something (a notification, an error, a new configuration) or goes away; it is opened again when BIRD is back.
 */
export class Observer {
  readonly #parts: ObserverParts;
  readonly #listeners: ObserverListener[] = [];
  readonly #stopped = new AbortController();
  #control: BirdControl | undefined;
  #current: Observation;
  #hasLooked = false;
  #woken = new AbortController();
  #running: Promise<void> | undefined;
  #fault: string | undefined;

  constructor(parts: ObserverParts) {
    this.#parts = parts;
    this.#current = { at: parts.clock.now(), daemon: undefined, trouble: "it was not asked yet", sessions: [] };
  }

  /** What the last look has shown. */
  get current(): Observation {
    return this.#current;
  }

  /** Told of everything from now on. To be called before `start`. */
  listen(listener: ObserverListener): void {
    this.#listeners.push(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something may have changed: the next look comes at once. */
  touch(): void {
    this.#woken.abort();
  }

  /** Resolves when no look is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#woken.abort();
    await this.#running;
    this.#disconnect();
  }

  /** Every route that BIRD knows, over a connection of its own: the answer may be long. Rejects with a BirdError. */
  async routes(): Promise<readonly BirdRoute[]> {
    using control = await BirdControl.connect(this.#parts.socketPath, { timeoutMs: 20_000 });
    return parseRoutes(await control.command("show route"));
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      this.#woken = new AbortController();
      await this.#look();
      await clock.sleep(lookEveryMs, this.#woken.signal).catch(() => undefined);
      // What is logged together is looked at together; and a flood of lines costs no more than so many looks.
      if (this.#woken.signal.aborted) await clock.sleep(settleMs, signal).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const at = this.#parts.clock.now();
    try {
      const { sessions, ...daemon } = await askBirdStatus(await this.#connected());
      this.#take({ at, daemon, trouble: undefined, sessions });
      this.#fault = undefined;
    } catch (error) {
      this.#disconnect();
      this.#tellFault(error);
      this.#take({ at, daemon: undefined, trouble: messageOf(error), sessions: [] });
    }
  }

  async #connected(): Promise<BirdControl> {
    if (this.#control !== undefined) return this.#control;
    const control = await BirdControl.connect(this.#parts.socketPath, {
      onLog: (line) => {
        for (const { logged } of this.#listeners) logged?.(line);
        this.touch();
      },
      // One that could not even be made is tried again at the usual time.
      onEnd: () => this.#control !== undefined && this.touch(),
    });
    this.#control = control;
    await control.command(`echo { info, remote, warning, error, auth, fatal, bug } ${echoBytes}`);
    return control;
  }

  #disconnect(): void {
    const control = this.#control;
    this.#control = undefined;
    control?.close();
  }

  #take(now: Observation): void {
    const isNews = !this.#hasLooked || essenceOf(now) !== essenceOf(this.#current);
    this.#hasLooked = true;
    this.#current = now;
    for (const { looked } of this.#listeners) looked?.(now, isNews);
  }

  /** BIRD comes and goes on its own; what answers in another form is a fault, which is told once. */
  #tellFault(error: unknown): void {
    const isExpected = error instanceof BirdError && ["unreachable", "closed"].includes(error.reason);
    const fault = isExpected ? undefined : messageOf(error);
    if (fault !== undefined && fault !== this.#fault)
      this.#parts.logger.warn({ err: error }, "cannot see what BIRD does");
    this.#fault = fault;
  }
}

// --- internal ---

const lookEveryMs = 1_000;
const settleMs = 50;
/** The most that BIRD keeps of what it has logged and not yet sent. */
const echoBytes = 65_536;

/** Everything but the times that pass by themselves. */
function essenceOf({ daemon, trouble, sessions }: Observation): string {
  return JSON.stringify([daemon && { ...daemon, serverTime: "" }, trouble, sessions]);
}

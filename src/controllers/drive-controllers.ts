import type { KindName } from "../api/snapshot.ts";
import type { Clock } from "../net/clock.ts";
import { Loop } from "../reconcile/loop.ts";
import type { Controller } from "./controller.ts";
import type { Logger } from "./logger.ts";

/** Runs controllers while this process leads, each at its own pace: on changes, when it is due, and again when it failed. */
export class DriveControllers {
  readonly #controllers: readonly Controller[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #wake: ((kinds: ReadonlySet<KindName>) => void) | undefined;

  constructor(
    controllers: readonly Controller[],
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#controllers = controllers;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Whether this process leads now. */
  get leads(): boolean {
    return this.#wake !== undefined;
  }

  /** These kinds have changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    this.#wake?.(kinds);
  }

  /** Resolves when `signal` was aborted and no pass runs any more. */
  async lead(signal: AbortSignal): Promise<void> {
    const drives = this.#controllers.map((one) => this.#drive(one, signal));
    this.#wake = (kinds) => {
      for (const { watches, request } of drives) if (watches.some((kind) => kinds.has(kind))) request();
    };
    for (const { request } of drives) request();
    await aborted(signal);
    this.#wake = undefined;
    await Promise.all(drives.map(({ stop }) => stop()));
  }

  #drive(controller: Controller, signal: AbortSignal) {
    const { name, watches } = controller;
    let running: Promise<void> = Promise.resolve();
    let timer = new AbortController();
    const loop = new Loop({
      pass: () => {
        signal.throwIfAborted();
        running = controller.pass(signal);
        return running;
      },
      sleep: (ms) => this.#clock.sleep(ms, signal).catch(() => undefined),
      onFailure: (error, attempt) => {
        if (!signal.aborted)
          this.#logger.warn({ controller: name, err: error, attempt }, "a pass failed: trying again");
      },
      firstRetryMs: 1_000,
      maxRetryMs: 60_000,
    });
    const arm = () => {
      timer.abort();
      timer = new AbortController();
      const dueMs = controller.dueInMs();
      if (dueMs === undefined || signal.aborted) return;
      // The only failure of a sleep is that it was cut short.
      this.#clock.sleep(dueMs, AbortSignal.any([timer.signal, signal])).then(request, () => undefined);
    };
    // The only failure of a request is that the loop was stopped.
    const request = () => void loop.request().then(arm, () => undefined);
    const stop = () => {
      loop.stop();
      return running.catch(() => undefined);
    };
    return { watches, request, stop };
  }
}

// --- internal ---

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

import type { Repair } from "../felix/dataplane/sentinel.ts";
import type { EventOrigin } from "../host/netlink/kernel-event.ts";
import type { Clock } from "../net/clock.ts";
import type { Logger } from "./logger.ts";

/**
 * A line in the log for each repair: what was different, for how long, and who may have done it. At most ten a minute: whoever
 * fights with us would fill the log; how many were left out the next line says.
 */
export class DriftReport {
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, "warn">;
  /** When the last lines were written. */
  #written: readonly number[] = [];
  #unwritten = 0;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Pick<Logger, "warn"> }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  readonly repaired = ({ part, found, wrongForMs, since, by }: Repair): void => {
    const now = this.#clock.monotonicNow();
    this.#written = this.#written.filter((at) => now - at < MINUTE_MS);
    if (this.#written.length >= LINES_A_MINUTE) {
      this.#unwritten++;
      return;
    }
    this.#written = [...this.#written, now];
    const unwritten = this.#unwritten === 0 ? {} : { repairsNotLogged: this.#unwritten };
    this.#unwritten = 0;
    const shown = found.slice(0, DIFFERENCES_A_LINE).map(({ where, difference }) => `${where}: ${difference}`);
    const facts = {
      part,
      differences: found.length,
      found: shown,
      wrongForMs,
      since,
      by: by.map(describe),
      ...unwritten,
    };
    this.#logger.warn(facts, "somebody else has changed what is ours in the kernel: it was put right");
  };
}

// --- internal ---

const MINUTE_MS = 60_000;
const LINES_A_MINUTE = 10;
const DIFFERENCES_A_LINE = 5;

/** E.g. `iptables-nft, process 4711`; `netlink port 4711` when its name is not known; `the kernel` for what follows from something else. */
function describe({ port, pid, process }: EventOrigin): string {
  if (process !== undefined) return `${process}, process ${pid ?? port}`;
  return port === 0 ? "the kernel" : `netlink port ${port}`;
}

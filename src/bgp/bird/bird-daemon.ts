import { CommandError, type Host } from "../../host/host.ts";
import type { ObservedBgp } from "../plan/observed-bgp.ts";
import type { WayToApply } from "../plan/session-restarts.ts";
import { BirdControl } from "./bird-control.ts";
import { BirdError } from "./bird-error.ts";
import type { DaemonStatus } from "./parse-status.ts";
import { askBirdStatus } from "./read-bird-status.ts";
import { readPrefixes } from "./read-prefixes.ts";
import type { BirdReply } from "./reply-reader.ts";

/** Where the BIRD beside the agent listens and reads. */
export interface BirdDaemonOptions {
  readonly host: Host;
  readonly socketPath: string;
  /** The file that BIRD was started with. */
  readonly configPath: string;
}

/**
 * `applied`: BIRD works by this configuration. `unchanged`: it already did, by this object's own doing.
 * `restarting`: BIRD exits, and the next one reads it. `not running`: the file is in place, and BIRD will read it when it starts.
 */
export type Applied = "applied" | "unchanged" | "restarting" | "not running";

/** BIRD refuses a configuration; the running one and its file are as they were. The message quotes BIRD and names the line. */
export class BirdConfigError extends Error {
  readonly configPath: string;
  constructor(configPath: string, said: string, cause: unknown) {
    super(`Cannot replace ${configPath}: BIRD refuses the new configuration: ${said}`, { cause });
    this.name = "BirdConfigError";
    this.configPath = configPath;
  }
}

/**
 * The BIRD beside the agent: another process that comes and goes on its own. Calls must not overlap. One connection to it is kept
 * while it lives.
 */
export class BirdDaemon {
  readonly #options: BirdDaemonOptions;
  #control: BirdControl | undefined;
  /** What BIRD was last seen to take over; unknown while it is told something new, and when that fails. */
  #appliedText: string | undefined;

  constructor(options: BirdDaemonOptions) {
    this.#options = options;
  }

  /**
   * Has BIRD take `text` over, and puts it in place in one step, readable by its owner's group at most, as it holds passwords.
   * Nothing that BIRD refuses is put in place. Rejects with a BirdConfigError when BIRD refuses the text, or a BirdError when
   * BIRD runs but does not reconfigure.
   */
  async apply(text: string, way: WayToApply = "configure"): Promise<Applied> {
    // The connection ends with its BIRD: another one may have been started since, by another text.
    if (text === this.#appliedText && this.#control?.isOpen && (await this.#isInPlace(text))) return "unchanged";
    const before = this.#appliedText;
    this.#appliedText = undefined;
    try {
      const isTaken = way === "configure" && (await this.#reconfigure(text));
      if (!isTaken) await this.#prepare(text);
      const applied = isTaken ? "applied" : await this.#take(way);
      if (applied === "applied") this.#appliedText = text;
      return applied;
    } catch (error) {
      if (error instanceof BirdConfigError) this.#appliedText = before;
      throw error;
    }
  }

  /** What BIRD does, with the networks that arrive by each session; undefined when it does not run. Rejects with a BirdError. */
  async observe(): Promise<(ObservedBgp & Pick<DaemonStatus, "isRecovering">) | undefined> {
    return this.#whileItRuns(async (control) => {
      const [status, prefixes] = await Promise.all([askBirdStatus(control), readPrefixes(control)]);
      const sessions = status.sessions.map((one) => ({ ...one, prefixes: prefixes.get(one.name) ?? new Set<never>() }));
      return { isRecovering: status.isRecovering, sessions };
    });
  }

  /** Lets go of the connection; BIRD keeps what it has. */
  close(): void {
    this.#control?.close();
  }

  async #isInPlace(text: string): Promise<boolean> {
    return (await this.#options.host.readFile(this.#options.configPath)) === text;
  }

  // A crash of the machine ends BIRD too, and the folder is in memory: there is nothing to sync.
  #putInPlace(text: string): Promise<void> {
    return this.#options.host.replaceUnsynced(this.#options.configPath, text, 0o640);
  }

  /**
   * Whether a BIRD runs, and has taken `text`, which is then in place. BIRD reads it once, from beside the file: a check of
   * its own would be the same work again, and a thousand neighbours' text takes milliseconds.
   */
  async #reconfigure(text: string): Promise<boolean> {
    // Never `configure soft`: routes that a new filter forbids would stay at the neighbours.
    const reply = await this.#asCandidate(text, (path) =>
      this.#whileItRuns((control) => control.command(`configure "${path}"`)),
    );
    if (reply === undefined || reply.code === replyShuttingDown) return false;
    const control = this.#control;
    await this.#putInPlace(text);
    // If it has ended in between, the next one may have read the file as it was before.
    return control !== undefined && (await unlessGone(control.command("show status"))) !== undefined;
  }

  /** Checks `text` and puts it in place for whichever BIRD reads it next. */
  async #prepare(text: string): Promise<void> {
    if (await this.#isInPlace(text)) return;
    await this.#asCandidate(text, async (path) => {
      // A running BIRD reads it in 1 ms, and starting another program takes 10. It needs no `configure` to be allowed.
      const asked = await this.#whileItRuns((control) => control.command(`configure check "${path}"`));
      if (asked === undefined || asked.code === replyShuttingDown) {
        await this.#options.host.run(["bird", "-p", "-c", path]);
      }
    });
    await this.#putInPlace(text);
  }

  /** Has BIRD read `text` from a file of its own that is gone afterwards. */
  async #asCandidate<T>(text: string, ask: (path: string) => Promise<T>): Promise<T> {
    const { host, configPath } = this.#options;
    const candidate = `${configPath}.candidate`;
    await host.replaceUnsynced(candidate, text, 0o640);
    try {
      return await ask(candidate);
    } catch (error) {
      throw refusal(configPath, error);
    } finally {
      await host.removeFile(candidate);
    }
  }

  async #take(way: WayToApply): Promise<Applied> {
    const reply = await this.#whileItRuns((control) => control.command(way));
    if (reply === undefined || reply.code === replyShuttingDown) return "not running";
    return way === "graceful restart" ? "restarting" : "applied";
  }

  /** Undefined when no BIRD answers, or it has gone before it has answered. */
  async #whileItRuns<T>(ask: (control: BirdControl) => Promise<T>): Promise<T | undefined> {
    // A kept connection may be to a BIRD that has ended in between, and another one be there already.
    if (this.#control?.isOpen) {
      const answer = await unlessGone(ask(this.#control));
      if (answer !== undefined) return answer;
    }
    return unlessGone(this.#connect().then(ask));
  }

  async #connect(): Promise<BirdControl> {
    this.#control = await BirdControl.connect(this.#options.socketPath);
    return this.#control;
  }
}

// --- internal ---

/** Besides it: 0003 reconfigured, 0004 in progress, 0005 queued behind one in progress, 0025 graceful restart. */
const replyShuttingDown: BirdReply["code"] = 6;

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof BirdError && (error.reason === "unreachable" || error.reason === "closed")) return undefined;
    throw error;
  }
}

/** What BIRD, asked or started, has said of a text. Anything else is the error that it is. */
function refusal(configPath: string, error: unknown): unknown {
  if (error instanceof BirdError && error.reason === "refused") {
    return new BirdConfigError(configPath, error.detail, error);
  }
  if (!(error instanceof CommandError) || error.exitCode === undefined) return error;
  return new BirdConfigError(configPath, error.stderr.trim() || error.stdout.trim(), error);
}

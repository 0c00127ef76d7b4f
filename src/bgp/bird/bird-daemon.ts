import { CommandError, type Host } from "../../host/host.ts";
import { BirdControl } from "./bird-control.ts";
import { BirdError } from "./bird-error.ts";

/** Where the BIRD beside the agent listens and reads. */
export interface BirdDaemonOptions {
  readonly host: Host;
  readonly socketPath: string;
  /** The file that BIRD was started with. */
  readonly configPath: string;
}

/**
 * `applied`: BIRD works by this configuration. `unchanged`: it already did, by this object's own doing.
 * `not running`: the file is in place, and BIRD will read it when it starts.
 */
export type Applied = "applied" | "unchanged" | "not running";

/** BIRD refuses a configuration; the running one and its file are as they were. The message quotes BIRD and names the line. */
export class BirdConfigError extends Error {
  readonly configPath: string;
  constructor(configPath: string, said: string, cause: unknown) {
    super(`Cannot replace ${configPath}: BIRD refuses the new configuration: ${said}`, { cause });
    this.name = "BirdConfigError";
    this.configPath = configPath;
  }
}

/** The BIRD beside the agent: another process that comes and goes on its own. Calls of `apply` must not overlap. */
export class BirdDaemon {
  readonly #options: BirdDaemonOptions;
  /** What BIRD was last seen to take over; unknown while it is told something new, and when that fails. */
  #appliedText: string | undefined;

  constructor(options: BirdDaemonOptions) {
    this.#options = options;
  }

  /**
   * Checks `text` with BIRD itself, puts it in place in one step and has BIRD take it over.
   * Rejects with a BirdConfigError when BIRD refuses the text, or a BirdError when BIRD runs but does not reconfigure.
   */
  async apply(text: string): Promise<Applied> {
    const { host, configPath } = this.#options;
    const inPlace = (await host.readFile(configPath)) === text;
    if (inPlace && text === this.#appliedText) return "unchanged";
    if (!inPlace) await this.#check(text);
    this.#appliedText = undefined;
    if (!inPlace) await host.replaceFile(configPath, text, 0o640);
    // Also when the file was as it should be: whoever wrote it may have died before BIRD was told.
    const applied = await this.#configure();
    if (applied === "applied") this.#appliedText = text;
    return applied;
  }

  async #check(text: string): Promise<void> {
    const { host, configPath } = this.#options;
    const candidate = `${configPath}.candidate`;
    await host.replaceFile(candidate, text, 0o640);
    try {
      await host.run(["bird", "-p", "-c", candidate]);
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
      throw new BirdConfigError(configPath, error.stderr.trim() || error.stdout.trim(), error);
    } finally {
      await host.removeFile(candidate);
    }
  }

  async #configure(): Promise<Applied> {
    try {
      using control = await BirdControl.connect(this.#options.socketPath);
      // Never `configure soft`: routes that a new filter forbids would stay at the neighbours.
      const { code } = await control.command("configure");
      return code === replyShuttingDown ? "not running" : "applied";
    } catch (error) {
      if (error instanceof BirdError && error.reason === "unreachable") return "not running";
      throw error;
    }
  }
}

// --- internal ---

/** Besides it: 0003 reconfigured, 0004 in progress, 0005 queued behind one in progress. */
const replyShuttingDown = 6;

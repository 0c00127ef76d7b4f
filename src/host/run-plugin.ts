import { CommandError, type Host } from "./host.ts";

/** One call of a CNI executable. */
export interface PluginRun {
  /** Absolute, as the node sees it. */
  readonly path: string;
  /** The variables whose names begin with `CNI_`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin: string;
  /** Kills it when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** How an executable ended. */
export interface PluginEnd {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs CNI executables by `enter`, the words of nsenter(1) that lead to where the node's own processes are. What it answers
 * resolves to undefined when there is no such executable, and rejects with a `CommandError` when it cannot be run, is killed,
 * or takes longer than a minute.
 */
export function pluginRunner(
  host: Pick<Host, "run">,
  enter: readonly [string, ...string[]],
): (run: PluginRun) => Promise<PluginEnd | undefined> {
  return async ({ path, environment, stdin, signal }) => {
    const options = { stdin, env: environment, timeoutMs: limitMs, ...(signal === undefined ? {} : { signal }) };
    try {
      return { exitCode: 0, ...(await host.run([...enter, "--", path], options)) };
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
      const isEntrance = error.stdout === "" && error.stderr.startsWith("nsenter:");
      // 127 is its word for a program that is not there.
      if (isEntrance && error.exitCode === 127) return undefined;
      if (isEntrance) throw error;
      return { exitCode: error.exitCode, stdout: error.stdout, stderr: error.stderr };
    }
  };
}

/** The node's first process is where the node's own are, whatever container this one is in. */
export const intoNode = ["nsenter", "--target", "1", "--mount"] as const;

// --- internal ---

const limitMs = 60_000;

import type { RunOptions } from "../src/host/host.ts";
import { runProgram } from "../src/host/run-program.ts";

/** What a program printed, by its argv. Rejects as `runProgram` does; the default time limit is 60 s. */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  return (await runProgram(argv, { timeoutMs: 60_000, ...options })).stdout;
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Load } from "./load.ts";
import type { SpawnRequest } from "./spawn.ts";

/** One program to execute. */
export type Execution = Omit<SpawnRequest, "stdoutFile">;

/** What `execute.ts` is to do. */
export interface ExecuteRequest {
  /** Each is a few executions one after the other, and is measured as one. */
  readonly tasks: readonly (readonly Execution[])[];
  /** How many tasks at once. */
  readonly concurrency: number;
  /** Has to be there; for one request at a time. */
  readonly outputFolder: string;
}

/** What came of it: each answer is what a task's last step printed. */
export interface Executed extends Load<string> {
  /** What all executions together, and what they executed, had of the CPUs, in milliseconds. */
  readonly cpuMs: number;
}

/** From where it is executed, and until when. */
export interface ExecuteOptions {
  readonly signal: AbortSignal;
  /** What to put before the program so that it runs elsewhere, e.g. nsenter(1) with its arguments. */
  readonly enter?: readonly string[];
}

/**
 * Executes all that. Rejects when one ends non-zero, or `signal` aborts: then nothing of it runs any more, except where
 * `enter` led.
 */
export async function runExecutions(
  request: ExecuteRequest,
  { signal, enter = [] }: ExecuteOptions,
): Promise<Executed> {
  signal.throwIfAborted();
  // A file, as an argument may have no more than 128 KiB.
  const file = join(request.outputFolder, "request.json");
  await writeFile(file, JSON.stringify(request), { mode: 0o600 });
  const [program = process.execPath, ...argv] = [...enter, process.execPath, script, file];
  const child = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const end = () => {
    child.kill("SIGTERM");
    // What was executed elsewhere does not hear of it: it ends with the place.
    if (enter.length > 0) child.stdout.destroy();
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, "close")]);
    signal.throwIfAborted();
    if (exitCode !== 0) throw new Error(`Cannot execute all: what executes them ended with exit code ${exitCode}`);
    return JSON.parse(output) as Executed;
  } finally {
    signal.removeEventListener("abort", end);
    await rm(file, { force: true });
  }
}

// --- internal ---

const script = join(import.meta.dirname, "execute.ts");

/**
 * Executes programs many times: `execute.ts FILE`, where FILE holds an `ExecuteRequest` as JSON; prints an `Executed`. A
 * process of its own that loads next to nothing, since the larger the process, the longer it takes to fork.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cpuTimeOf } from "./cpu-time.ts";
import { drive } from "./load.ts";
import type { Executed, ExecuteRequest } from "./run-executions.ts";
import { Spawner } from "./spawn.ts";

const requestFile = process.argv[2] ?? "";
const { tasks, concurrency, outputFolder } = JSON.parse(readFileSync(requestFile, "utf8")) as ExecuteRequest;
const ended = new AbortController();
process.once("SIGTERM", () => ended.abort(new Error("Cannot execute any more: SIGTERM was received")));
const { signal } = ended;
const spawner = new Spawner();
try {
  const before = await cpuTimeOf(process.pid);
  const load = await drive({ count: tasks.length, concurrency, signal }, runTask);
  const after = await cpuTimeOf(process.pid);
  const executed: Executed = {
    ...load,
    answers: load.answers.map(takeOutput),
    cpuMs: after.children - before.children,
  };
  process.stdout.write(JSON.stringify(executed));
} catch (error) {
  // Whoever sent it knows.
  if (!signal.aborted) throw error;
  process.exitCode = 1;
}

/** Answers the file that the last step has printed to: a pipe would have to be served by this process while others run. */
async function runTask(index: number): Promise<string> {
  const stdoutFile = join(outputFolder, `output-${index}`);
  for (const step of tasks[index] ?? []) {
    const exitCode = await spawner.run({ ...step, stdoutFile });
    if (exitCode !== 0)
      throw new Error(`Cannot execute ${step.program}: it ended with ${exitCode}: ${takeOutput(stdoutFile)}`);
  }
  return stdoutFile;
}

function takeOutput(file: string): string {
  const output = readFileSync(file, "utf8");
  rmSync(file);
  return output;
}

/**
 * Executes a program many times: `execute.ts REQUEST`, where REQUEST is an `ExecuteRequest` as JSON; prints a
 * `Load<string>` of what each execution printed. A process of its own that loads next to nothing, since the larger the
 * process, the longer it takes to fork.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { drive } from "../load.ts";
import type { ExecuteRequest } from "./executions.ts";
import { Spawner } from "./spawn.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as ExecuteRequest;
const ended = new AbortController();
process.once("SIGTERM", () => ended.abort(new Error("Cannot execute any more: SIGTERM was received")));
const { signal } = ended;
const spawner = new Spawner();
try {
  const load = await drive({ ...request, signal }, execute);
  process.stdout.write(JSON.stringify({ ...load, answers: load.answers.map(takeOutput) }));
} catch (error) {
  // Whoever sent it knows.
  if (!signal.aborted) throw error;
  process.exitCode = 1;
}

/** Answers the file that the execution has printed to: a pipe would have to be served by this process while others run. */
async function execute(index: number): Promise<string> {
  const { program, stdinFile, outputFolder, environment, container } = request;
  const stdoutFile = join(outputFolder, `${container}-${index}`);
  const exitCode = await spawner.run({
    ...{ program, stdinFile, stdoutFile },
    environment: { ...environment, CNI_CONTAINERID: `${container}-${index}` },
  });
  if (exitCode !== 0)
    throw new Error(`Cannot execute ${program}: it ended with ${exitCode}: ${takeOutput(stdoutFile)}`);
  return stdoutFile;
}

function takeOutput(file: string): string {
  const output = readFileSync(file, "utf8");
  rmSync(file);
  return output;
}

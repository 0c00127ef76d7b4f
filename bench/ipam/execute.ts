/**
 * Executes a program many times: `execute.ts REQUEST`, where REQUEST is an `ExecuteRequest` as JSON; prints a
 * `Load<string>` of what each execution printed. A process of its own that loads next to nothing, since the larger the
 * process, the longer it takes to fork.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { drive } from "../load.ts";
import type { ExecuteRequest } from "./executions.ts";

const request = JSON.parse(process.argv[2] ?? "{}") as ExecuteRequest;
const ended = new AbortController();
process.once("SIGTERM", () => ended.abort(new Error("Cannot execute any more: SIGTERM was received")));
const { signal } = ended;
try {
  process.stdout.write(JSON.stringify(await drive({ ...request, signal }, execute)));
} catch (error) {
  // Whoever sent it knows.
  if (!signal.aborted) throw error;
  process.exitCode = 1;
}

async function execute(index: number): Promise<string> {
  const { program, stdinFile, environment, container } = request;
  const stdin = openSync(stdinFile, "r");
  const env = { ...environment, CNI_CONTAINERID: `${container}-${index}` };
  const child = spawn(program, { stdio: [stdin, "pipe", "inherit"], env });
  closeSync(stdin);
  if (child.stdout === null) throw new Error(`Cannot execute ${program}: there is no pipe for its output`);
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (exitCode !== 0) throw new Error(`Cannot execute ${program}: it ended with ${exitCode}: ${output}`);
  return output;
}

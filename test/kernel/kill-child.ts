import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Ends a process at once, with no word to it; resolves when it is gone, also if it was before. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A node as far as looking around goes: pid, mount and network namespaces of its own, and an empty /run/netns. */
export interface SmallNode extends AsyncDisposable {
  /** Runs a program in it and gives what it printed. Throws when it ends non-zero. */
  run(...argv: readonly string[]): string;
  /** Starts a program in it that runs until it is killed, or the node ends. */
  start(...argv: readonly string[]): ChildProcess;
}

/** Starts it; its processes end with it, and it ends with this process. */
export async function startSmallNode(): Promise<SmallNode> {
  const flags = ["--pid", "--fork", "--kill-child", "--mount", "--net", "--mount-proc"];
  const first = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...flags, "sleep", "infinity"], {
    stdio: "ignore",
  });
  const pid = await childOf(first.pid ?? 0);
  const enter = ["--target", `${pid}`, "--mount", "--net", "--pid", "--"];
  const run = (...argv: readonly string[]) => execFileSync("nsenter", [...enter, ...argv], { encoding: "utf8" });
  run("mount", "-t", "tmpfs", "tmpfs", "/run");
  run("ip", "link", "set", "lo", "up");
  return {
    run,
    start: (...argv) => spawn("nsenter", [...enter, ...argv], { stdio: "ignore" }),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => first.once("close", resolve));
      first.kill("SIGKILL");
      process.kill(pid, "SIGKILL");
      await closed;
    },
  };
}

// --- internal ---

/** The node's first process, once it stands where it should. */
async function childOf(parent: number): Promise<number> {
  for (let round = 0; round < 200; round++) {
    const file = `/proc/${parent}/task/${parent}/children`;
    const child = Number((existsSync(file) ? readFileSync(file, "utf8") : "").trim());
    if (child > 0 && readFileSync(`/proc/${child}/comm`, "utf8").trim() === "sleep") return child;
    await sleep(20);
  }
  throw new Error("Cannot start a small node: its first process does not come");
}

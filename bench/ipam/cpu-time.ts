import { readFile } from "node:fs/promises";

/** How long a process has had a CPU, in milliseconds, in user and kernel mode, all threads (proc(5), `/proc/PID/stat`). */
export async function cpuTimeMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The program's name, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[userTicks]) + Number(fields[systemTicks])) * tickMs;
}

// --- internal ---

/** Fields 14 and 15, where the state, field 3, is the first here. */
const userTicks = 11;
const systemTicks = 12;
/** USER_HZ is 100 on every architecture that there is. */
const tickMs = 10;

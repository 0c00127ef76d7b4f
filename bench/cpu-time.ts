import { readFile } from "node:fs/promises";

/** How long a process has had a CPU, in milliseconds, in user and kernel mode, all threads (proc(5), `/proc/PID/stat`). */
export interface CpuTime {
  readonly own: number;
  /** Of its children that have ended, and of theirs. */
  readonly children: number;
}

/** Rejects when there is no such process. */
export async function cpuTimeOf(pid: number): Promise<CpuTime> {
  return parseProcessStat(await readFile(`/proc/${pid}/stat`, "utf8"));
}

/** How long this machine's CPUs together have been busy, or were taken by the machine below, in milliseconds. */
export async function machineBusyMs(): Promise<number> {
  return parseMachineStat(await readFile("/proc/stat", "utf8"));
}

/** What `/proc/PID/stat` says. */
export function parseProcessStat(stat: string): CpuTime {
  // The program's name, in brackets, may hold anything; field 3, the state, is the first after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const msOf = (field: number) => Number(fields[field - 3]) * tickMs;
  return { own: msOf(14) + msOf(15), children: msOf(16) + msOf(17) };
}

/** What `/proc/stat` says: everything but idle time and waiting for a disk. What guests have is in `user` already. */
export function parseMachineStat(stat: string): number {
  const [, user, nice, system, , , irq, softirq, steal] = (stat.split("\n")[0] ?? "").split(/ +/).map(Number);
  return [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) * tickMs;
}

// --- internal ---

/** USER_HZ is 100 on every architecture that there is. */
const tickMs = 10;

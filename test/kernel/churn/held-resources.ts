import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { parseProcessStat } from "../../../bench/cpu-time.ts";

/** What this process holds at one moment. */
export interface HeldResources {
  /** After collecting garbage, in MB. */
  readonly heapMb: number;
  readonly rssMb: number;
  readonly fds: number;
  readonly children: number;
  /** Timers that have not gone off. */
  readonly timers: number;
}

/** Collects garbage, if this process may (`--expose-gc`), and looks. */
export function heldResources(): HeldResources {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    heapMb: heapUsed / 1e6,
    rssMb: rss / 1e6,
    fds: openFiles().size,
    children: childrenOf().length,
    timers: process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length,
  };
}

/** This process's file descriptors, with what each leads to. */
export function openFiles(): ReadonlyMap<string, string> {
  const files = readdirSync("/proc/self/fd").map((fd) => [fd, targetOf(fd)] as const);
  return new Map(files.filter((file): file is readonly [string, string] => file[1] !== undefined));
}

/** Process IDs of this process's children, those that have ended and were not waited for included. */
export function childrenOf(): readonly number[] {
  const threads = readdirSync("/proc/self/task");
  const texts = threads.map((thread) => readFileSync(`/proc/self/task/${thread}/children`, "utf8"));
  return texts.flatMap((text) => text.split(" ").filter(Boolean).map(Number));
}

/** CPU time in milliseconds, in user and kernel mode. */
export interface SpentCpu {
  /** Of this process, all threads. */
  readonly own: number;
  /** Of its children, those that have ended and those that have not. */
  readonly children: number;
}

export function spentCpu(): SpentCpu {
  const { user, system } = process.cpuUsage();
  const ended = parseProcessStat(readFileSync("/proc/self/stat", "utf8")).children;
  const living = childrenOf().map((pid) => {
    const { own, children } = parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
    return own + children;
  });
  return { own: (user + system) / 1000, children: living.reduce((sum, ms) => sum + ms, ended) };
}

// --- internal ---

/** Undefined for the descriptor that the listing itself had. */
function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

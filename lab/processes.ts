/**
 * The lab's processes. Each carries the lab's folder in its environment, and its children inherit it: whoever runs next
 * finds exactly these processes in /proc, also after a crash that left no record, and touches no other.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../src/net/message-of.ts";

const marker = "MARGAY_LAB_FOLDER";

/** A process by its pid and its start (clock ticks since boot): a reused pid is another process. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

export interface StartOptions {
  /** The lab's folder: what `processesOf` and `killAll` go by. */
  readonly folder: string;
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** A named network namespace. */
  readonly netns?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** `owner`: it is killed when this process ends, however it ends. `lab`: it runs on until `killAll`. */
  readonly lifetime: "owner" | "lab";
}

export interface Started {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Undefined while it runs; then how it ended, e.g. `exit code 1`. */
  ended(): string | undefined;
}

/** Starts a daemon with its output in `folder/logs/NAME.log`. Throws when the program is not there. */
export async function startProcess(options: StartOptions): Promise<Started> {
  const logFile = join(options.folder, "logs", `${options.name}.log`);
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, "a");
  const [file, ...rest] = [...prefixOf(options), ...options.argv] as [string, ...string[]];
  const child = spawn(file, rest, {
    cwd: options.folder,
    detached: true,
    stdio: ["ignore", log, log],
    env: { PATH: searchPath(), HOME: "/root", ...options.env, [marker]: options.folder },
  });
  closeSync(log);
  await started(child, options);
  child.unref();
  return { name: options.name, pid: child.pid ?? 0, logFile, ended: () => endOf(child) };
}

/** Every process that was started for `folder` or a folder in it, by whomever. */
export function processesOf(folder: string): readonly ProcessIdentity[] {
  const whole = `${marker}=${folder}`;
  const isOurs = (entry: string) => entry === whole || entry.startsWith(`${whole}/`);
  return allProcesses().filter(({ pid }) => environmentOf(pid).some(isOurs));
}

/** Kills every process of the lab in `folder` and waits until all are gone. Throws when one outlives that by 10 s. */
export async function killAll(folder: string): Promise<void> {
  await killThese(() => processesOf(folder), folder);
}

/** Kills these processes (SIGKILL) and waits until they are gone. Throws when one outlives that by 10 s. */
export async function kill(processes: readonly ProcessIdentity[]): Promise<void> {
  await killThese(() => processes.filter(isAlive), `pids ${processes.map(({ pid }) => pid).join(", ")}`);
}

/** The process that has this pid now, or undefined when there is none or it is a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === "Z" || fields[0] === "X"
    ? undefined
    : { pid, startTicks: fields[19] ?? "" };
}

/** Whether it is still that process. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return identify(pid)?.startTicks === startTicks;
}

/** The last lines of a log, for a message. */
export function logTail(path: string, lines = 5): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch (cause) {
    return `(cannot read ${path}: ${messageOf(cause)})`;
  }
}

/** What a process was started with, `NAME=value` each; none when it is gone. */
export function environmentOf(pid: number): readonly string[] {
  return readProc(pid, "environ").split("\0");
}

// --- internal ---

/** A daemon must not depend on who started it: its environment is this, and what it is given. */
function searchPath(): string {
  return `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

function prefixOf({ lifetime, netns }: StartOptions): readonly string[] {
  return [
    ...(lifetime === "owner" ? ["setpriv", "--pdeathsig", "KILL", "--"] : []),
    ...(netns === undefined ? [] : ["nsenter", `--net=/run/netns/${netns}`, "--"]),
  ];
}

function started(child: ChildProcess, { name, argv }: StartOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`Cannot start ${name} (${argv[0]}): ${cause.message}`, { cause })));
  });
}

function endOf({ exitCode, signalCode }: ChildProcess): string | undefined {
  if (exitCode !== null) return `exit code ${exitCode}`;
  return signalCode === null ? undefined : `signal ${signalCode}`;
}

async function killThese(alive: () => readonly ProcessIdentity[], what: string): Promise<void> {
  for (let round = 0; round < 200; round++) {
    const left = alive();
    if (left.length === 0) return;
    for (const one of left) killOne(one);
    await sleep(50);
  }
  throw new Error(`Cannot end all processes of ${what}: ${alive().map(({ pid }) => pid)} are still there after 10 s`);
}

function killOne(one: ProcessIdentity): void {
  if (!isAlive(one)) return;
  try {
    process.kill(one.pid, "SIGKILL");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
  }
}

function allProcesses(): readonly ProcessIdentity[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => identify(Number(name)))
    .filter((one) => one !== undefined);
}

/** The fields of /proc/PID/stat after the command's name: [0] is the state, [19] the start time (proc(5) fields 3 and 22). */
function statOf(pid: number): readonly string[] | undefined {
  const text = readProc(pid, "stat");
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** Empty when the process is gone, or is not ours to read. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (cause) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((cause as NodeJS.ErrnoException).code ?? "")) return "";
    throw cause;
  }
}

import { closeSync, openSync, writeSync } from "node:fs";
import { enterNetns } from "./libc.ts";
import { codeOf, systemError } from "./system-error.ts";

/**
 * Runs `action` with the calling thread in the network namespace at `path` (`/run/netns/x`, `/proc/PID/ns/net`) and comes back.
 * What `action` opens or spawns there synchronously (sockets, files under /proc/sys/net, `execFileSync`) belongs to that
 * namespace for good. Inside of `action` the same path is where it is already. `action` must be synchronous, since any other
 * callback would run in the wrong namespace: one that returns a promise is refused with a TypeError.
 * Throws a `SystemError` that names the path when it is not a network namespace. When the way back fails the process
 * aborts: nothing that it did afterwards could be trusted.
 */
export function inNetns<T>(path: string, action: () => T): T {
  if (path === inside) return refusePromise(path, action());
  return withNetnsFd(path, (target) =>
    withNetnsFd("/proc/thread-self/ns/net", (home) => visit({ path, target, home }, action)),
  );
}

/** Runs `action` with the file at `path` open and closes it. Throws a `SystemError` that names the path when it cannot be opened. */
export function withNetnsFd<T>(path: string, action: (fd: number) => T): T {
  const fd = openNamespace(path);
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}

/** As `withNetnsFd`, until what `action` promises has ended. */
export async function whileNetnsFd<T>(path: string, action: (fd: number) => Promise<T>): Promise<T> {
  const fd = openNamespace(path);
  try {
    return await action(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether this thread is in another namespace than its own, by `inNetns`. */
export function isInNetns(): boolean {
  return inside !== undefined;
}

// --- internal ---

/** Where this thread is by `inNetns`; undefined: at home. */
let inside: string | undefined;

interface Journey {
  readonly path: string;
  readonly target: number;
  readonly home: number;
}

function visit<T>(journey: Journey, action: () => T): T {
  try {
    enterNetns(journey.target);
  } catch (error) {
    throw namespaceError("enter", journey.path, error);
  }
  const before = inside;
  inside = journey.path;
  let result: T;
  try {
    result = action();
  } finally {
    inside = before;
    returnHome(journey);
  }
  return refusePromise(journey.path, result);
}

function refusePromise<T>(path: string, result: T): T {
  if (isThenable(result)) throw new TypeError(`Cannot work in ${path}: the action is not synchronous`);
  return result;
}

function returnHome({ path, home }: Journey): void {
  try {
    enterNetns(home);
  } catch (error) {
    // The event loop may never turn again, so the message goes out by a plain write.
    writeSync(2, `Cannot leave network namespace ${path}: ${codeOf(error) ?? error}. The process aborts.\n`);
    process.abort();
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw namespaceError("open", path, error);
  }
}

function namespaceError(verb: "open" | "enter", path: string, cause: unknown): Error {
  const meaning: Readonly<Record<string, string>> = {
    ENOENT: "there is no such namespace",
    EINVAL: "it is not a network namespace",
    EPERM: "this needs CAP_SYS_ADMIN",
  };
  return systemError(`${verb} network namespace ${path}`, cause, meaning[codeOf(cause) ?? ""]);
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

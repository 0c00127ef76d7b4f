import { closeSync, openSync } from "node:fs";
import { tryLock } from "./libc.ts";
import { codeOf, systemError } from "./system-error.ts";

/** A folder that one process at a time has to itself: the kernel ends its right with the process, however that ends. */
export class FolderLock {
  readonly #folder: string;
  #fd: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Takes the lock if nobody has it; true once it is this object's. Throws a `SystemError` when the folder cannot be opened. */
  take(): boolean {
    if (this.#fd !== undefined) return true;
    const fd = open(this.#folder);
    if (fd === undefined) return false;
    try {
      if (tryLock(fd)) this.#fd = fd;
    } finally {
      if (this.#fd === undefined) closeSync(fd);
    }
    return this.#fd !== undefined;
  }

  /** Leaves it to others. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

// --- internal ---

/** Undefined when there is no such folder yet. */
function open(folder: string): number | undefined {
  try {
    return openSync(folder, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw systemError(`open ${folder}`, error);
  }
}

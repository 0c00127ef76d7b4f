import { statSync } from "node:fs";
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Host, KeptProgram, RunOptions, RunResult } from "./host.ts";
import { KeptChild } from "./kept-child.ts";
import { readText } from "./read-text.ts";
import { isDraftName, replaceFile } from "./replace-file.ts";
import { runProgram } from "./run-program.ts";
import { codeOf, systemError } from "./system-error.ts";

/** The machine that this process runs on. File operations reject with a `SystemError` that names the path. */
export class LinuxHost implements Host {
  /** See `runProgram`. */
  run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
    return runProgram(argv, options);
  }

  keep(argv: readonly [string, ...string[]]): KeptProgram {
    return new KeptChild(argv);
  }

  async readFile(path: string): Promise<string | undefined> {
    try {
      // Some are asked for again and again, and mostly not there: that the kernel remembers, and a trip to another thread costs more.
      statSync(path);
      return await readText(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw systemError(`read ${path}`, error);
    }
  }

  /** `mode` (0644 when absent) is set as given, whatever the umask. Also takes what is no text, such as a program. */
  async replaceFile(path: string, text: string | Uint8Array, mode = 0o644): Promise<void> {
    await replaceFile(path, { text, mode, synced: true });
  }

  async replaceUnsynced(path: string, text: string, mode = 0o644): Promise<void> {
    await replaceFile(path, { text, mode, synced: false });
  }

  async removeFile(path: string): Promise<void> {
    try {
      // `rm` looks at it first, and does so synchronously.
      await unlink(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      throw systemError(`remove ${path}`, error);
    }
  }

  /** Leaves out what `replaceFile` writes beside its target, so a reader never meets a half-written file. */
  async listFolder(path: string): Promise<readonly string[]> {
    return (await readFolder(path)).filter((name) => !isDraftName(name));
  }

  async removeDrafts(folder: string, before = Number.POSITIVE_INFINITY): Promise<void> {
    for (const name of await readFolder(folder)) {
      const path = join(folder, name);
      if (isDraftName(name) && (await writtenAt(path)) < before) await this.removeFile(path);
    }
  }
}

// --- internal ---

async function readFolder(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw systemError(`list ${path}`, error);
  }
}

/** In ms since 1970; never, for a file that has gone. */
async function writtenAt(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return Number.POSITIVE_INFINITY;
    throw systemError(`look at ${path}`, error);
  }
}

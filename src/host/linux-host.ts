import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, mkdir, open, readdir, readFile, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Host, KeptProgram, RunOptions, RunResult } from "./host.ts";
import { KeptChild } from "./kept-child.ts";
import { runProgram } from "./run-program.ts";
import { codeOf, SystemError, systemError } from "./system-error.ts";

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
      return await readFile(path, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw systemError(`read ${path}`, error);
    }
  }

  /** `mode` (0644 when absent) is set as given, whatever the umask. Also takes what is no text, such as a program. */
  async replaceFile(path: string, text: string | Uint8Array, mode = 0o644): Promise<void> {
    await replace(path, { text, mode, synced: true });
  }

  async replaceUnsynced(path: string, text: string, mode = 0o644): Promise<void> {
    await replace(path, { text, mode, synced: false });
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

/** Random, since a count or a process ID comes again, and with it the name of a draft that a killed process left. */
function draftName(name: string): string {
  return `.${name}.${randomBytes(8).toString("hex")}.replacing`;
}

function isDraftName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(".replacing");
}

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

/**
 * Makes the folder and those above it, and syncs every parent that got a new entry. Each is tried twice at most: Node's
 * own recursive mkdir never ends where a parent is there and yet the kernel answers ENOENT, as below /proc.
 */
async function makeFolder(folder: string): Promise<void> {
  const made = await makeOneFolder(folder);
  if (made === "no parent") {
    await makeFolder(dirname(folder));
    await mkdir(folder).catch(unlessThere);
  }
  if (made !== "there") await syncFolder(dirname(folder));
}

async function makeOneFolder(folder: string): Promise<"made" | "there" | "no parent"> {
  try {
    await mkdir(folder);
    return "made";
  } catch (error) {
    if (codeOf(error) === "EEXIST") return "there";
    if (codeOf(error) === "ENOENT" && dirname(folder) !== folder) return "no parent";
    throw error;
  }
}

/** Somebody else may make it at the same time. */
function unlessThere(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}

async function replace(path: string, content: DraftContent): Promise<void> {
  const folder = dirname(path);
  const write = () => writeByDraft(path, join(folder, draftName(basename(path))), content);
  try {
    // The folder is there but for the first time.
    await write().catch(async (error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
      await makeFolder(folder).catch((cause: unknown) => {
        throw systemError(`replace ${path}`, cause, `its folder ${folder} cannot be made`);
      });
      await write();
    });
    if (content.synced) await syncFolder(folder);
  } catch (error) {
    throw error instanceof SystemError ? error : systemError(`replace ${path}`, error);
  }
}

/** Leaves no draft behind when it fails. */
async function writeByDraft(path: string, draft: string, content: DraftContent): Promise<void> {
  const file = await open(draft, "wx", 0o600);
  try {
    await fill(file, content);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

interface DraftContent {
  readonly text: string | Uint8Array;
  readonly mode: number;
  readonly synced: boolean;
}

async function fill(file: FileHandle, { text, mode, synced }: DraftContent): Promise<void> {
  try {
    await file.writeFile(text);
    await file.chmod(mode);
    if (synced) await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fchmodSync, open as openFile, renameSync, writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { codeOf, SystemError, systemError } from "./system-error.ts";

/** What a file is to hold. */
export interface FileContent {
  readonly text: string | Uint8Array;
  /** Set as given, whatever the umask. */
  readonly mode: number;
  /** Whether it must outlive a crash of the machine, which costs a disk's time. */
  readonly synced: boolean;
}

/**
 * Replaces a file in one step, by a draft beside it, and makes its folder. Rejects with a `SystemError` that names the path, and
 * leaves no draft behind then.
 *
 * A new small file that is not synced costs one trip to another thread, where every step by itself would make it five: to make the
 * draft is what waits for a disk, and is done there, so that one that hangs does not hold up the whole process. After that the
 * folder and the draft are in memory and part of what the file system writes next, so all else is done on the spot. What
 * is replaced is not: a file system may begin to write the new file out then (ext4, auto_da_alloc), so that is another trip.
 */
export async function replaceFile(path: string, content: FileContent): Promise<void> {
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

/** Whether a file of this name is what `replaceFile` writes beside its target. */
export function isDraftName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(".replacing");
}

// --- internal ---

/** Random, since a count or a process ID comes again, and with it the name of a draft that a killed process left. */
function draftName(name: string): string {
  return `.${name}.${randomBytes(8).toString("hex")}.replacing`;
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

/** Leaves no draft behind when it fails. */
async function writeByDraft(path: string, draft: string, content: FileContent): Promise<void> {
  const isSmall = !content.synced && content.text.length <= SMALL;
  const file = isSmall ? await openDescriptor(draft, "wx", 0o600) : await open(draft, "wx", 0o600);
  try {
    if (typeof file === "number") fillAtOnce(file, content);
    else await fill(file, content);
    if (isSmall && !existsSync(path)) renameSync(draft, path);
    else await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Characters, or bytes. The configuration of a routing daemon may be megabytes. */
const SMALL = 16_384;

/** A number, without the object around it that must be closed in another thread. */
const openDescriptor = promisify(openFile);

function fillAtOnce(descriptor: number, { text, mode }: FileContent): void {
  try {
    writeFileSync(descriptor, text);
    fchmodSync(descriptor, mode);
  } finally {
    closeSync(descriptor);
  }
}

async function fill(file: FileHandle, { text, mode, synced }: FileContent): Promise<void> {
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

import { readFile, stat } from "node:fs/promises";
import type { LinuxHost } from "../../host/linux-host.ts";
import { codeOf, systemError } from "../../host/system-error.ts";

/**
 * Makes a file hold this with this mode, in one step and synced; whoever runs or reads the old one goes on doing so.
 * A file that is so already is left alone. Resolves to whether it was written; rejects with a `SystemError`.
 */
export async function ensureFile(
  host: LinuxHost,
  path: string,
  { content, mode }: { readonly content: Buffer; readonly mode: number },
): Promise<boolean> {
  if (await stands(path, content, mode)) return false;
  await host.replaceFile(path, content, mode);
  return true;
}

/** Whether the file holds this with this mode. */
export async function stands(path: string, content: Buffer, mode: number): Promise<boolean> {
  const found = await readBytes(path);
  if (found === undefined || !found.equals(content)) return false;
  try {
    return ((await stat(path)).mode & 0o7777) === mode;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw systemError(`look at ${path}`, error);
  }
}

/** The bytes of a file; undefined when there is none. Rejects with a `SystemError`. */
export async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw systemError(`read ${path}`, error);
  }
}

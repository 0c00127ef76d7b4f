import { appendFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { codeOf } from "./system-error.ts";

/** How much is kept. */
export interface RotationLimits {
  /** No text is added to a file that would grow past this many bytes by it. */
  readonly maxBytes: number;
  /** Earlier files go after so many milliseconds. */
  readonly maxAgeMs: number;
  /** And so do all but this many of them. */
  readonly maxFiles: number;
}

/**
 * Adds `text` to the file, which is made with its folder when it is missing, mode 0600. One that would grow too large is
 * renamed first, `cni.log` to `cni-2026-11-21T19-05-00.000.log` (UTC), and then the earlier ones that are too old or too many
 * are removed: names and rules of lumberjack, which upstream's plugin logs with. `now` is in milliseconds since 1970. Not to
 * be called twice at once for one file. Rejects with the system's error.
 */
export async function appendRotating(path: string, text: string, limits: RotationLimits, now: number): Promise<void> {
  const size = await sizeOf(path);
  if (size === undefined) await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  else if (size > 0 && size + Buffer.byteLength(text) > limits.maxBytes) {
    await rename(path, await freeName(path, now));
    await removeEarlier(path, limits, now);
  }
  await appendFile(path, text, { mode: 0o600 });
}

// --- internal ---

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Two may be due within a millisecond, and a rename takes the place of what is there. */
async function freeName(path: string, now: number): Promise<string> {
  for (let ms = now; ; ms++) {
    const name = earlierName(path, ms);
    if ((await sizeOf(name)) === undefined) return name;
  }
}

function earlierName(path: string, ms: number): string {
  const stamp = new Date(ms).toISOString().slice(0, -1).replaceAll(":", "-");
  const extension = extname(path);
  return join(dirname(path), `${basename(path, extension)}-${stamp}${extension}`);
}

async function removeEarlier(path: string, { maxAgeMs, maxFiles }: RotationLimits, now: number): Promise<void> {
  const folder = dirname(path);
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  const earlier = (await readdir(folder))
    .flatMap((name) => {
      if (!name.startsWith(prefix) || !name.endsWith(extension)) return [];
      const ms = timeOf(name.slice(prefix.length, name.length - extension.length));
      return ms === undefined ? [] : [{ name, ms }];
    })
    .sort((a, b) => b.ms - a.ms);
  for (const [index, { name, ms }] of earlier.entries()) {
    if (index >= maxFiles || now - ms > maxAgeMs) await rm(join(folder, name), { force: true });
  }
}

/** Undefined for a name that is not of our making. */
function timeOf(stamp: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(stamp);
  if (parts === null) return undefined;
  const ms = Date.parse(`${parts[1]}T${parts[2]}:${parts[3]}:${parts[4]}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

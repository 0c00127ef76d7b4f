import { closeSync, fstatSync, open, read } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * The text of a file. Rejects with what Node's file functions throw. A small file costs two trips to another thread, since to open
 * it and to read it may wait for a disk, where `readFile` makes five.
 */
export async function readText(path: string): Promise<string> {
  const descriptor = await openDescriptor(path, "r");
  try {
    const text = await readSmall(descriptor);
    if (text !== undefined) return text;
  } finally {
    closeSync(descriptor);
  }
  return await readFile(path, "utf8");
}

// --- internal ---

const openDescriptor = promisify(open);
const readInto = promisify(read);

/** Bytes. */
const SMALL = 16_384;

/** Undefined when it is not known to be small: files of the kernel say that they are empty. */
async function readSmall(descriptor: number): Promise<string | undefined> {
  const stats = fstatSync(descriptor);
  if (!stats.isFile() || stats.size === 0 || stats.size > SMALL) return undefined;
  // One byte more, so that a file that has grown since is seen to.
  const bytes = Buffer.allocUnsafe(stats.size + 1);
  const { bytesRead } = await readInto(descriptor, bytes, 0, bytes.length, 0);
  return bytesRead === stats.size ? bytes.toString("utf8", 0, bytesRead) : undefined;
}

import type { Answer } from "./plugin.ts";

/**
 * The body of one request frame, gathered from what comes in: 4 bytes length in network order, then the body.
 * Throws when the length is beyond what the shim ever sends.
 */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** The whole body once it is there, else undefined. */
  push(chunk: Buffer): string | undefined {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length < 4) return undefined;
    const length = this.#bytes.readUInt32BE(0);
    if (length > limit) throw new Error(`Cannot read a request of ${length} bytes: the limit is ${limit}`);
    return this.#bytes.length < 4 + length ? undefined : this.#bytes.toString("utf8", 4, 4 + length);
  }
}

/** An answer frame: 4 bytes length of the output in network order, 1 byte exit code, the output. */
export function formatAnswer({ exitCode, stdout }: Answer): Buffer {
  const output = Buffer.from(stdout === "" ? "" : `${stdout}\n`, "utf8");
  const head = Buffer.alloc(5);
  head.writeUInt32BE(output.length, 0);
  head.writeUInt8(exitCode, 4);
  return Buffer.concat([head, output]);
}

// --- internal ---

/** The shim refuses more than 8 MiB on standard input; variables come on top. */
const limit = 16 * 1024 * 1024;

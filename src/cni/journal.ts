import { createHash } from "node:crypto";
import { z } from "zod";
import type { CniDependencies } from "./dependencies.ts";
import { PossibleFiles } from "./possible-files.ts";
import { within } from "./within.ts";

/** Whose addresses are given back, and on what occasion. */
export interface ReleaseFacts {
  readonly containerId: string;
  readonly why: ReleaseReason;
}

/** As people read it in the history of an address. */
export type ReleaseReason =
  | "DEL"
  | "failed ADD"
  | "newer sandbox of the pod"
  | "GC by the runtime"
  | "network, broadcast or gateway address";

/** Addresses that must be given back, whether or not the API server can be reached now. */
export class ReleaseJournal {
  readonly #node: CniDependencies;
  readonly #files: PossibleFiles;
  /** Releases that the store has not answered yet. */
  readonly #pending = new Map<string, Promise<void>>();

  constructor(node: CniDependencies) {
    this.#node = node;
    this.#files = new PossibleFiles(node.host, node.paths.journal);
  }

  /**
   * Gives back what `handle` holds; `why` is for IPAM's own journal. When the store refuses or does not answer in time the debt
   * is written to a file, for `drain`, and that is success too. Rejects only when that file cannot be written.
   */
  async release(handle: string, { containerId, why: cause }: ReleaseFacts): Promise<void> {
    const answer = await within(this.#start(handle, cause), answerMs, this.#node.clock);
    if (answer === "released") return;
    const why = answer === "late" ? `no answer within ${answerMs / 1000} s` : answer.message;
    const debt = JSON.stringify({ handle, containerId, why: cause });
    await this.#files.write(nameOf(handle), (path) => this.#node.host.replaceFile(path, debt, 0o600));
    this.#node.report("warn", `Cannot release the addresses of ${handle} yet: ${why}; it is kept for later`, {
      handle,
    });
  }

  /** Before a container gets addresses: an old debt of the same handle must not take them away again. */
  async forget(handle: string): Promise<void> {
    await this.#pending.get(handle);
    await this.#files.remove(nameOf(handle));
  }

  /**
   * Tries every debt once more, each inside `alone` for its container, so that no ADD of it is under way. What still fails
   * stays. Never rejects for a store that cannot be reached.
   */
  async drain(alone: (containerId: string, action: () => Promise<void>) => Promise<void>): Promise<void> {
    for (const name of await this.#files.list()) {
      const debt = await this.#read(name);
      if (debt === undefined) continue;
      await alone(debt.containerId, async () => {
        if ((await this.#read(name)) === undefined) return;
        if ((await this.#start(debt.handle, debt.why)) === "released") await this.#files.remove(name);
      });
    }
  }

  async #start(handle: string, why: string): Promise<"released" | Error> {
    const answer = this.#node.ipam.release(handle, why).then(
      () => "released" as const,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    const pending = answer.then(() => {
      if (this.#pending.get(handle) === pending) this.#pending.delete(handle);
    });
    this.#pending.set(handle, pending);
    return answer;
  }

  async #read(name: string): Promise<z.infer<typeof schema> | undefined> {
    const text = await this.#files.read(name);
    if (text === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      const path = this.#files.pathOf(name);
      this.#node.report("error", `Cannot read the release in ${path}: it is not one; remove the file`, { error });
      return undefined;
    }
  }
}

// --- internal ---

/** A handle may be longer than a file's name. */
function nameOf(handle: string): string {
  return `${createHash("sha1").update(handle).digest("hex")}.json`;
}

/** Short enough that a runtime waiting for DEL does not give up on it. */
const answerMs = 5000;

const schema = z.object({ handle: z.string(), containerId: z.string(), why: z.string().default("DEL") });

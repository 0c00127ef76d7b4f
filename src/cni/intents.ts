import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { CniDependencies } from "./dependencies.ts";
import { PossibleFiles } from "./possible-files.ts";
import { formatFrame, parseFrame, parseTarget, type RawRequest, type Target } from "./request.ts";

/** An ADD that a process began and did not live to end. */
export interface Intent {
  readonly target: Target;
  readonly request: RawRequest;
}

/**
 * The ADDs under way, one file each, so that the next agent undoes what this one was killed over. They are not synced: after a
 * crash of the machine no interface is left to undo, and addresses come back by garbage collection.
 */
export class Intents {
  readonly #node: CniDependencies;
  readonly #files: PossibleFiles;

  constructor(node: CniDependencies) {
    this.#node = node;
    this.#files = new PossibleFiles(node.host, node.paths.intents);
  }

  /** Before the first thing is done that needs undoing. Rejects when it cannot be written. */
  async begin(request: RawRequest): Promise<void> {
    await this.#files.write(nameOf(attachmentKey(parseTarget(request))), (path) =>
      this.#node.host.replaceUnsynced(path, formatFrame(request), 0o600),
    );
  }

  /** When all of it is done or undone: before the answer, as what is answered must not be undone any more. */
  async end(key: AttachmentKey): Promise<void> {
    await this.#files.remove(nameOf(key));
  }

  /** The ADD of this interface that was not ended, as it came; of one that is under way, too. */
  async find(key: AttachmentKey): Promise<RawRequest | undefined> {
    const body = await this.#files.read(nameOf(key));
    return body === undefined ? undefined : parseFrame(body);
  }

  /** Every one there is. A file that holds none is reported and removed: nothing can be learned from it. */
  async list(): Promise<readonly Intent[]> {
    const { report } = this.#node;
    const found: Intent[] = [];
    for (const name of await this.#files.list()) {
      const path = this.#files.pathOf(name);
      // One that cannot be read must not hold up the others.
      const body = await this.#files.read(name).catch((error: unknown) => {
        report("error", `Cannot read the interrupted ADD in ${path}`, { error });
        return undefined;
      });
      if (body === undefined) continue;
      try {
        const request = parseFrame(body);
        found.push({ target: parseTarget(request), request });
      } catch (error) {
        report("error", `Cannot read the interrupted ADD in ${path}: the file is removed`, { error });
        await this.#files.remove(name);
      }
    }
    return found;
  }
}

// --- internal ---

/** No container ID holds a colon, and an interface name holds no slash. */
function nameOf(key: AttachmentKey): string {
  return key.replace("/", ":");
}

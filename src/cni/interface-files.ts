import { join } from "node:path";
import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { Host } from "../host/host.ts";
import { codeOf } from "../host/system-error.ts";
import type { Report } from "./dependencies.ts";

/** What is known of one interface of one container. */
interface InterfaceRecord {
  readonly containerId: string;
  /** The name inside the container. */
  readonly interfaceName: string;
}

/** A file that is there, and from which nothing can be learned but what its name says. */
export interface UnreadableFile {
  readonly path: string;
  /** The container that its name tells of; undefined for a name that is not of this folder's. */
  readonly containerId: string | undefined;
  readonly key: AttachmentKey | undefined;
}

/** What to do about a file that cannot be read, as a sentence. */
export const unreadableRemedy =
  "The DEL of its container removes the file; when that container is gone, remove it by hand";

/** What files of one kind are like. */
export interface InterfaceFilesOptions<T> {
  readonly host: Host;
  readonly folder: string;
  readonly report: Report;
  /** What a file holds, for sentences. */
  readonly what: string;
  /** Throws when the value is none. */
  readonly parse: (json: unknown) => T;
}

/**
 * One file for each interface. The folder is read once; from then on this object is its only writer, but for a file
 * that could not be read, which a person may mend or remove.
 */
export class InterfaceFiles<T extends InterfaceRecord> {
  readonly #options: InterfaceFilesOptions<T>;
  /** By path. */
  readonly #unreadable = new Map<string, UnreadableFile>();
  #known: Promise<Map<AttachmentKey, T>> | undefined;

  constructor(options: InterfaceFilesOptions<T>) {
    this.#options = options;
  }

  /** Where the files are. Nobody else writes there. */
  get folder(): string {
    return this.#options.folder;
  }

  /** Every record that can be read. One that cannot is reported and left out; its file stays. */
  async list(): Promise<readonly T[]> {
    return [...(await this.#load()).values()];
  }

  /** Every record. Rejects, naming the files, while there is one that cannot be read: for who concludes from what is not there. */
  async listWhole(): Promise<readonly T[]> {
    const paths = (await this.listUnreadable()).map(({ path }) => path);
    if (paths.length === 0) return this.list();
    throw new Error(`Cannot read every ${this.#options.what} of this node: ${paths.join(", ")}. ${unreadableRemedy}`);
  }

  /** The files that `list` leaves out, each looked at once more. */
  async listUnreadable(): Promise<readonly UnreadableFile[]> {
    const known = await this.#load();
    for (const { path } of [...this.#unreadable.values()]) {
      const reading = await this.#read(path);
      // Written anew or removed meanwhile.
      if (!this.#unreadable.has(path) || (reading !== undefined && "error" in reading)) continue;
      this.#unreadable.delete(path);
      if (reading !== undefined) known.set(attachmentKey(reading.record), reading.record);
    }
    return [...this.#unreadable.values()];
  }

  async get(key: AttachmentKey): Promise<T | undefined> {
    return (await this.#load()).get(key);
  }

  /** Outlives this process once it resolves. It need not outlive the machine, as the interface does not either. */
  async write(record: T): Promise<void> {
    const known = await this.#load();
    const key = attachmentKey(record);
    await this.#options.host.replaceUnsynced(this.#pathOf(key), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
    this.#unreadable.delete(this.#pathOf(key));
    known.set(key, record);
  }

  async remove(key: AttachmentKey): Promise<void> {
    const known = await this.#load();
    await this.#options.host.removeFile(this.#pathOf(key));
    this.#unreadable.delete(this.#pathOf(key));
    known.delete(key);
  }

  #load(): Promise<Map<AttachmentKey, T>> {
    this.#known ??= this.#readAll().catch((error: unknown) => {
      this.#known = undefined;
      throw error;
    });
    return this.#known;
  }

  async #readAll(): Promise<Map<AttachmentKey, T>> {
    const { host, folder, report, what } = this.#options;
    const found = new Map<AttachmentKey, T>();
    this.#unreadable.clear();
    for (const name of await host.listFolder(folder)) {
      if (!name.endsWith(extension)) continue;
      const path = join(folder, name);
      const reading = await this.#read(path);
      if (reading === undefined) continue;
      if ("error" in reading) {
        this.#unreadable.set(path, { path, ...ownerOf(name) });
        report("error", `Cannot read the ${what} in ${path}. ${unreadableRemedy}`, { error: reading.error });
      } else found.set(attachmentKey(reading.record), reading.record);
    }
    return found;
  }

  /** Undefined when there is no such file. Rejects when the fault is not the file's own. */
  async #read(path: string): Promise<Reading<T> | undefined> {
    try {
      const text = await this.#options.host.readFile(path);
      return text === undefined ? undefined : { record: this.#options.parse(JSON.parse(text)) };
    } catch (error) {
      const code = codeOf(error);
      if (code !== undefined && !faultsOfOneFile.includes(code)) throw error;
      return { error };
    }
  }

  /** No container ID holds a colon, and an interface name holds no slash. */
  #pathOf(key: AttachmentKey): string {
    return join(this.#options.folder, `${key.replace("/", ":")}${extension}`);
  }
}

// --- internal ---

type Reading<T> = { readonly record: T } | { readonly error: unknown };

const extension = ".json";

/** Of a bad disk, a damaged file system, and a folder in the file's place. Other errors may pass, and are no reason to go on without the file. */
const faultsOfOneFile = ["EIO", "EUCLEAN", "EBADMSG", "EISDIR"];

function ownerOf(name: string): Omit<UnreadableFile, "path"> {
  const [, containerId = "", interfaceName = ""] = /^([^:]+):([^:]+)\.json$/.exec(name) ?? [];
  if (containerId === "") return { containerId: undefined, key: undefined };
  return { containerId, key: attachmentKey({ containerId, interfaceName }) };
}

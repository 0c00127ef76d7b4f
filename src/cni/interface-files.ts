import { join } from "node:path";
import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { Host } from "../host/host.ts";
import type { Report } from "./dependencies.ts";

/** What is known of one interface of one container. */
interface InterfaceRecord {
  readonly containerId: string;
  /** The name inside the container. */
  readonly interfaceName: string;
}

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
 * One synced file for each interface. The folder is read once; from then on this object is its only writer.
 */
export class InterfaceFiles<T extends InterfaceRecord> {
  readonly #options: InterfaceFilesOptions<T>;
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

  async get(key: AttachmentKey): Promise<T | undefined> {
    return (await this.#load()).get(key);
  }

  /** On the disk when it resolves. */
  async write(record: T): Promise<void> {
    const known = await this.#load();
    const key = attachmentKey(record);
    await this.#options.host.replaceFile(this.#pathOf(key), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
    known.set(key, record);
  }

  async remove(key: AttachmentKey): Promise<void> {
    const known = await this.#load();
    await this.#options.host.removeFile(this.#pathOf(key));
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
    const { host, folder } = this.#options;
    const found = new Map<AttachmentKey, T>();
    for (const name of await host.listFolder(folder)) {
      const record = name.endsWith(".json") ? await this.#read(join(folder, name)) : undefined;
      if (record !== undefined) found.set(attachmentKey(record), record);
    }
    return found;
  }

  async #read(path: string): Promise<T | undefined> {
    const { host, report, what, parse } = this.#options;
    const text = await host.readFile(path);
    if (text === undefined) return undefined;
    try {
      return parse(JSON.parse(text));
    } catch (error) {
      report("error", `Cannot read the ${what} in ${path}: it is not one; the next DEL of its container removes it`, {
        error,
      });
      return undefined;
    }
  }

  /** No container ID holds a colon, and an interface name holds no slash. */
  #pathOf(key: AttachmentKey): string {
    return join(this.#options.folder, `${key.replace("/", ":")}.json`);
  }
}

import { join } from "node:path";
import type { Host } from "../host/host.ts";

/**
 * The files of a folder that this process alone writes to, though a person may remove some: which may be there is known without
 * asking, so that what is not there, as mostly, need not be read or removed. The folder is read at the first question, and whenever
 * `list` is called.
 */
export class PossibleFiles {
  readonly #host: Host;
  readonly #folder: string;
  /** At least the names of all that are there, each with the number of its last writing: so no loss of one hides a newer one. */
  readonly #names = new Map<string, number>();
  #writings = 0;
  #reading: Promise<unknown> | undefined;

  constructor(host: Host, folder: string) {
    this.#host = host;
    this.#folder = folder;
  }

  /** The text of a file, or undefined when there is none. Rejects as `Host.readFile`. */
  async read(name: string): Promise<string | undefined> {
    if (!(await this.#mayHave(name))) return undefined;
    const writing = this.#names.get(name);
    const text = await this.#host.readFile(this.pathOf(name));
    if (text === undefined) this.#strike(name, writing);
    return text;
  }

  /** Has `write` write the file at the path that it is given. */
  async write(name: string, write: (path: string) => Promise<void>): Promise<void> {
    try {
      this.#note(name);
      await write(this.pathOf(name));
    } finally {
      // It may be there also when that failed, and what was not there a moment ago may be now.
      this.#note(name);
    }
  }

  /** One that is not there is no error. Rejects as `Host.removeFile`. */
  async remove(name: string): Promise<void> {
    if (!(await this.#mayHave(name))) return;
    const writing = this.#names.get(name);
    await this.#host.removeFile(this.pathOf(name));
    this.#strike(name, writing);
  }

  /** The names of all that are there, whoever has written them. Rejects as `Host.listFolder`. */
  async list(): Promise<readonly string[]> {
    const found = await this.#host.listFolder(this.#folder);
    for (const name of found) if (!this.#names.has(name)) this.#note(name);
    return found;
  }

  pathOf(name: string): string {
    return join(this.#folder, name);
  }

  #note(name: string): void {
    this.#names.set(name, this.#writings++);
  }

  #strike(name: string, writing: number | undefined): void {
    if (this.#names.get(name) === writing) this.#names.delete(name);
  }

  /** Anything may be there as long as the folder cannot be listed. */
  async #mayHave(name: string): Promise<boolean> {
    if (this.#names.has(name)) return true;
    this.#reading ??= this.list();
    try {
      await this.#reading;
      return this.#names.has(name);
    } catch {
      this.#reading = undefined;
      return true;
    }
  }
}

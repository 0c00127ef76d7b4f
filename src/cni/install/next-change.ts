import { type FSWatcher, watch } from "node:fs";
import { codeOf, systemError } from "../../host/system-error.ts";

/** Tells of the first change in some folders since it was made. */
export class NextChange implements Disposable {
  readonly #watchers: readonly FSWatcher[];
  readonly #changed = Promise.withResolvers<void>();

  /** A folder that is not there is not watched. Throws a `SystemError` when one cannot be. */
  constructor(folders: readonly string[]) {
    this.#watchers = folders.flatMap((folder) => this.#watch(folder));
  }

  /** Resolves when something has changed. */
  get happened(): Promise<void> {
    return this.#changed.promise;
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(folder: string): readonly FSWatcher[] {
    try {
      const watcher = watch(folder, () => this.#changed.resolve());
      // A folder that goes ends its watcher: a change too.
      watcher.on("error", () => this.#changed.resolve());
      return [watcher];
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw systemError(`watch ${folder}`, error);
    }
  }
}

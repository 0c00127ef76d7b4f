import { isDeepStrictEqual } from "node:util";
import type { NodeName } from "../../api/names.ts";
import type { Labels } from "../../api/objects.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import { configurationsOfNode } from "../../felix/config/configurations-of-node.ts";
import type { FelixSettings } from "../../felix/config/felix-settings.ts";
import { type ResolvedSettings, resolveSettings } from "../../felix/config/resolve-settings.ts";
import type { Host } from "../../host/host.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Logger } from "../logger.ts";

/** What a `SettingsFollower` reads from, and whom it tells. */
export interface SettingsParts {
  readonly node: NodeName;
  readonly snapshot: Pick<Snapshot, "felixConfiguration" | "node">;
  /** Usually `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the command line says: it goes before everything else. */
  readonly overrides: Partial<FelixSettings>;
  readonly host: Pick<Host, "readFile">;
  /** Usually `felixFile`. */
  readonly filePath: string;
  readonly onChange: (settings: FelixSettings, problems: readonly string[]) => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
}

/** Where upstream's Felix looks for its file. */
export const felixFile = "/etc/calico/felix.cfg";

/**
 * Knows the settings that are in force: from the environment, the file and the FelixConfigurations of the snapshot. It tells
 * of them once at the start, and then whenever a setting or a problem has changed; it logs each problem once as long as it
 * lasts, and each change of a setting.
 *
 *     environment, command line ─┐
 *     felix.cfg, every 5 s ──────┼─▶ resolveSettings ─▶ onChange
 *     FelixConfiguration, Node ──┘
 */
export class SettingsFollower {
  readonly #parts: SettingsParts;
  readonly #stopped = new AbortController();
  #file: string | undefined;
  #fileProblems: readonly string[] = [];
  #labels: Labels | undefined;
  #resolved: ResolvedSettings | undefined;

  constructor(parts: SettingsParts) {
    this.#parts = parts;
  }

  /** What is in force. Throws before the start. */
  get settings(): FelixSettings {
    if (this.#resolved === undefined) throw new Error("Cannot tell the settings before they have been read");
    return this.#resolved.settings;
  }

  /** Reads the file, tells for the first time, and follows the file from then on. To be called once. */
  async start(): Promise<void> {
    await this.#readFile(this.#stopped.signal);
    this.#resolve();
    void this.#followFile();
  }

  /** To be told which kinds of the snapshot have changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (this.#resolved === undefined) return;
    const isRelabelled = kinds.has("node") && !isDeepStrictEqual(this.#labels, this.#labelsNow());
    if (isRelabelled || kinds.has("felixConfiguration")) this.#resolve();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #followFile(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await clock.sleep(fileEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const hasChanged = await this.#readFile(signal);
      if (hasChanged && !signal.aborted) this.#resolve();
    }
  }

  /** True when anything about the file is not as before. One that cannot be read counts as it was. */
  async #readFile(signal: AbortSignal): Promise<boolean> {
    const { host, filePath, clock } = this.#parts;
    const before = { file: this.#file, problems: this.#fileProblems };
    try {
      let text = await host.readFile(filePath);
      // Whoever is just writing it has perhaps written half: a change counts once it stays the same for a moment.
      for (let earlier = this.#file; this.#resolved !== undefined && text !== earlier; ) {
        earlier = text;
        await clock.sleep(settledMs, signal);
        text = await host.readFile(filePath);
      }
      this.#file = text;
      this.#fileProblems = [];
    } catch (error) {
      this.#fileProblems = [`${messageOf(error)}: what ${filePath} said before still counts.`];
    }
    return !isDeepStrictEqual(before, { file: this.#file, problems: this.#fileProblems });
  }

  #labelsNow(): Labels | undefined {
    const { node, snapshot } = this.#parts;
    return snapshot.node.get(node)?.labels;
  }

  #resolve(): void {
    const { node, snapshot, environment, overrides, onChange } = this.#parts;
    this.#labels = this.#labelsNow();
    const { objects, problems } = configurationsOfNode(snapshot.felixConfiguration, node, this.#labels);
    const fresh = resolveSettings({ overrides, environment, file: this.#file, objects });
    const resolved = { ...fresh, problems: [...new Set([...this.#fileProblems, ...problems, ...fresh.problems])] };
    const before = this.#resolved;
    if (before !== undefined && isDeepStrictEqual(contents(before), contents(resolved))) return;
    // Parts compare settings by identity: equal ones stay the same object.
    const isSame = before !== undefined && isDeepStrictEqual(before.settings, resolved.settings);
    this.#resolved = isSame ? { ...resolved, settings: before.settings } : resolved;
    this.#log(before, this.#resolved);
    onChange(this.#resolved.settings, resolved.problems);
  }

  #log(before: ResolvedSettings | undefined, { settings, sources, problems }: ResolvedSettings): void {
    const { logger } = this.#parts;
    const known = new Set(before?.problems);
    for (const problem of problems)
      if (!known.has(problem)) logger.warn({ problem }, "a setting has no effect as written");
    const names = Object.keys(settings) as (keyof FelixSettings)[];
    for (const setting of names) {
      // At the start, what has another source than what is built in.
      const isNews =
        before === undefined
          ? sources[setting] !== "built-in"
          : !isDeepStrictEqual(before.settings[setting], settings[setting]);
      if (!isNews) continue;
      const from = before === undefined ? {} : { before: shown(before.settings[setting]) };
      logger.info(
        { setting, value: shown(settings[setting]), ...from, source: sources[setting] },
        "a setting is in force",
      );
    }
  }
}

// --- internal ---

const fileEveryMs = 5000;
const settledMs = 200;

function contents({ settings, problems }: ResolvedSettings) {
  return { settings, problems };
}

/** What JSON has no writing for, as text. */
function shown(value: unknown): unknown {
  if (value instanceof RegExp) return value.source;
  if (value instanceof Map) return Object.fromEntries(value);
  if (Array.isArray(value))
    return value.map((item) => ("pattern" in Object(item) ? { pattern: shown(item.pattern) } : item));
  return value;
}

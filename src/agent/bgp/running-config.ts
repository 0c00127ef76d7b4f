import { createHash } from "node:crypto";
import type { BirdConfig } from "../../bgp/plan/bird-config.ts";
import type { Host } from "../../host/host.ts";
import type { Logger } from "../logger.ts";

export interface RunningConfigParts {
  readonly host: Pick<Host, "readFile" | "replaceUnsynced">;
  /** Where it is kept, usually `/var/lib/margay/bgp/running.json`. */
  readonly path: string;
  /** BIRD's own file. */
  readonly configPath: string;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Knows by which values BIRD works, also when another agent has given them: they cannot be read back from BIRD's text. They are
 * on disk as JSON, and the text ends with a comment that holds their hash, so that values are never taken for those of a text
 * that they were not printed into. Only what bears on sessions is kept: a new block changes nothing here, and writes nothing.
 *
 * Before BIRD is given new values they stand here beside the old ones, and until it has taken them the old ones count.
 * The file holds passwords, and is its owner's alone. It need not outlive the machine's crash, which ends BIRD's sessions.
 */
export class RunningConfig {
  readonly #parts: RunningConfigParts;
  #isRead = false;
  #current: Kept | undefined;
  #offered: Kept | undefined;

  constructor(parts: RunningConfigParts) {
    this.#parts = parts;
  }

  /** The values that BIRD works by, or will when it starts; undefined: not known. Rejects with a `SystemError`. */
  async read(): Promise<BirdConfig | undefined> {
    if (!this.#isRead) {
      this.#current = await this.#readDisk();
      this.#isRead = true;
    }
    return this.#current?.config;
  }

  /** `text` with the mark of these values, which are now written down. Rejects with a `SystemError`. */
  async offer(config: BirdConfig, text: string): Promise<string> {
    const json = JSON.stringify(sessionsOnly(config));
    const offered = [this.#current, this.#offered].find((known) => known?.json === json) ?? keptOf(config, json);
    if (offered !== this.#current && offered !== this.#offered) await this.#write(offered);
    this.#offered = { ...offered, config };
    return `${text}\n${markOf(offered.hash)}\n`;
  }

  /** BIRD works by what it was offered last. Rejects with a `SystemError`. */
  async taken(): Promise<void> {
    const offered = this.#offered;
    if (offered === undefined) return;
    const isNew = offered.hash !== this.#current?.hash;
    this.#current = offered;
    if (isNew) await this.#write(offered);
  }

  #write(offered: Kept): Promise<void> {
    const entries = new Map([this.#current ?? offered, offered].map(({ hash, json }) => [hash, json]));
    const disk: Disk = { form, taken: this.#current?.hash ?? offered.hash, entries: Object.fromEntries(entries) };
    return this.#parts.host.replaceUnsynced(this.#parts.path, JSON.stringify(disk), 0o600);
  }

  async #readDisk(): Promise<Kept | undefined> {
    const { host, path, configPath, logger } = this.#parts;
    const [text, kept] = await Promise.all([host.readFile(configPath), host.readFile(path)]);
    const hash = /^# Values: (\S+)$/m.exec(text?.slice(-100) ?? "")?.[1];
    if (hash === undefined || kept === undefined) return undefined;
    try {
      const disk = JSON.parse(kept) as Disk;
      const { taken, entries } = disk;
      if (!(hash in entries)) return undefined;
      const json = entries[taken];
      if (disk.form === form && json !== undefined && hashOf(json) === taken) {
        return { config: JSON.parse(json) as BirdConfig, json, hash: taken };
      }
    } catch {
      // What JSON.parse says quotes the file, which holds passwords.
    }
    logger.warn({ path }, "cannot read by which values BIRD works: no session is kept for them");
    return undefined;
  }
}

// --- internal ---

interface Kept {
  readonly config: BirdConfig;
  readonly json: string;
  readonly hash: string;
}

/** Of the values: another one where BirdConfig says something else, so that nobody takes another release's for ours. */
const form = 1;

interface Disk {
  readonly form: number;
  /** The hash of those that BIRD works by. */
  readonly taken: string;
  /** By hash, as JSON: these, and those that it is about to be given. */
  readonly entries: Readonly<Record<string, string>>;
}

function keptOf(config: BirdConfig, json: string): Kept {
  return { config, json, hash: hashOf(json) };
}

function hashOf(json: string): string {
  return createHash("sha256").update(json).digest("base64url");
}

function markOf(hash: string): string {
  return `# Values: ${hash}`;
}

/** Without what a node announces, which changes with every block and bears on no session. */
function sessionsOnly(config: BirdConfig): BirdConfig {
  const none = { hidden: [], blocks: [], hosts: [], services: [], pools: [], communities: [], isDraining: false };
  const families = config.families.map((family) => ({
    ...family,
    ...{ blackholes: [], serviceRanges: [], exports: none },
  }));
  return { ...config, families, rejected: [] };
}

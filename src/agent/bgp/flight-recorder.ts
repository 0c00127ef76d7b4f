import { join } from "node:path";
import { type HistoryEntry, parseHistoryEntry } from "../../api/bgp-query.ts";
import type { Host } from "../../host/host.ts";
import { appendRotating } from "../../host/rotating-file.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import type { Logger } from "../logger.ts";
import type { HistoryNote } from "./bgp-changes.ts";
import { EntryLimit } from "./entry-limit.ts";

export interface FlightRecorderParts {
  /** `history.jsonl` is there, and an earlier part beside it. */
  readonly folder: string;
  readonly host: Pick<Host, "readFile" | "listFolder">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** Of one file; there are two at most. Default 512 KiB. */
  readonly maxBytes?: number;
}

/** Which part of the history is wanted. */
export interface HistoryQuery {
  /** Only what concerns this neighbour, and the daemon as a whole. */
  readonly peer: Ip | undefined;
  /** So many of the last. */
  readonly last: number;
}

/**
 * The history of a node's BGP: JSON lines on disk, bounded, and the last of them in memory. Writing never keeps anybody waiting,
 * and a disk that is full or broken is logged once: the history then goes on in memory.
 */
export class FlightRecorder {
  readonly #parts: FlightRecorderParts;
  readonly #path: string;
  readonly #limit: EntryLimit;
  #entries: HistoryEntry[] = [];
  readonly #lastStates = new Map<string, string>();
  #unwritten: string[] = [];
  #writing: Promise<void> | undefined;
  #isFailing = false;
  /** The file may end in half a line, which the next must not be joined to. */
  #isTorn = false;

  constructor(parts: FlightRecorderParts) {
    this.#parts = parts;
    this.#path = join(parts.folder, `${fileName}.jsonl`);
    this.#limit = new EntryLimit(parts.clock);
  }

  /** Takes up what was written before. A history that cannot be read is logged and begins anew. To be called first, once. */
  async load(): Promise<void> {
    const { folder, host, logger } = this.#parts;
    try {
      const earlier = (await host.listFolder(folder)).filter((name) => earlierFile.test(name));
      const texts = await Promise.all(
        [...earlier, `${fileName}.jsonl`].map((name) => host.readFile(join(folder, name))),
      );
      this.#isTorn = !(texts.at(-1) ?? "\n").endsWith("\n");
      for (const entry of texts.flatMap((text) => entriesIn(text ?? ""))) this.#keep(entry);
    } catch (error) {
      logger.warn({ err: error }, "cannot read the history of BGP: it begins anew");
      this.#isTorn = true;
    }
  }

  /** Notes it with the time. What the same session has had lately, and more than twenty a minute of one, is only counted. */
  record(note: HistoryNote): void {
    const leftOut = this.#limit.admit(note);
    if (leftOut === undefined) {
      if (note.to !== undefined && note.session !== undefined) this.#lastStates.set(note.session, note.to);
      return;
    }
    const entry = { at: this.#parts.clock.now(), ...note, ...(leftOut > 0 && { leftOut }) };
    this.#keep(entry);
    if (this.#unwritten.length >= mostUnwritten) return;
    this.#unwritten.push(`${JSON.stringify(entry)}\n`);
    this.#writing ??= this.#write();
  }

  /** To be called now and then: tells what was left out in the end, if a session would else seem to be up, or to be lost. */
  tick(): void {
    for (const note of this.#limit.owed()) this.record(note);
  }

  /** The oldest first. */
  history({ peer, last }: HistoryQuery): readonly HistoryEntry[] {
    if (last === 0) return [];
    const isWanted = ({ neighbor }: HistoryEntry) => peer === undefined || neighbor === undefined || neighbor === peer;
    return this.#entries.filter(isWanted).slice(-last);
  }

  /** The state of a session in its last entry, also of an earlier process; undefined when there is none. */
  lastState(session: string): string | undefined {
    return this.#lastStates.get(session);
  }

  /** Resolves when what was recorded so far is written, or could not be. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** The last call: the process ends. Resolves as `settled`. */
  async close(): Promise<void> {
    for (const note of this.#limit.owed(true)) this.record(note);
    await this.settled();
  }

  #keep(entry: HistoryEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > 2 * mostKept) this.#entries = this.#entries.slice(-mostKept);
    const { session, to, kind } = entry;
    if (session === undefined) return;
    if (to !== undefined) this.#lastStates.set(session, to);
    else if (kind === "configuration") this.#lastStates.delete(session);
  }

  async #write(): Promise<void> {
    const { clock, logger, maxBytes = 512 * 1024 } = this.#parts;
    // Lines that come together are written together.
    await Promise.resolve();
    while (this.#unwritten.length > 0) {
      const text = this.#unwritten.splice(0).join("");
      try {
        const limits = { maxBytes, maxAgeMs: Number.POSITIVE_INFINITY, maxFiles: 1 };
        await appendRotating(this.#path, this.#isTorn ? `\n${text}` : text, limits, clock.now());
        if (this.#isFailing) logger.info("the history of BGP is written to disk again");
        [this.#isFailing, this.#isTorn] = [false, false];
      } catch (error) {
        if (!this.#isFailing) logger.warn({ err: error }, "cannot write the history of BGP: it goes on in memory only");
        [this.#isFailing, this.#isTorn] = [true, true];
      }
    }
    this.#writing = undefined;
  }
}

// --- internal ---

const fileName = "history";
/** As `appendRotating` names what it puts aside. */
const earlierFile = /^history-[\dT.-]+\.jsonl$/;
const mostKept = 4_000;
const mostUnwritten = 1_000;

/** A line that a crash has cut is no entry. */
function entriesIn(text: string): readonly HistoryEntry[] {
  return text.split("\n").flatMap((line) => {
    try {
      return parseHistoryEntry(JSON.parse(line)) ?? [];
    } catch {
      return [];
    }
  });
}

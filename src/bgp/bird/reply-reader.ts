/** One line of an answer with the code it belongs to. */
export interface BirdLine {
  readonly code: number;
  readonly text: string;
}

/** A whole answer: `code` is that of its last line, which says how it ended. */
export interface BirdReply {
  readonly code: number;
  readonly lines: readonly BirdLine[];
}

/**
 * Cuts the stream of BIRD's control socket into answers. A line begins with four digits and `-` (more follows) or a space
 * (last line), or with one space (the code of the line before). See "Remote control" in BIRD's manual.
 */
export class ReplyReader {
  readonly #onLog: (line: string) => void;
  #rest = "";
  #code = 0;
  #lines: BirdLine[] = [];

  /** `onLog` is told what BIRD logs, once `echo` has been asked for: one line, with neither its time nor its class. */
  constructor(onLog: (line: string) => void = () => undefined) {
    this.#onLog = onLog;
  }

  /** The answers that `chunk` completes. Throws when it is not BIRD's protocol. */
  read(chunk: string): readonly BirdReply[] {
    const lines = `${this.#rest}${chunk}`.split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#readLine(line) ?? []);
  }

  #readLine(line: string): BirdReply | undefined {
    const coded = /^(\d{4})([ -])(.*)$/.exec(line);
    if (!coded && !line.startsWith(" ") && !line.startsWith("+")) {
      throw new Error(`Cannot read ${JSON.stringify(line.slice(0, 100))} as a line of BIRD's control protocol`);
    }
    // "+" marks a log line sent in between; it belongs to no answer.
    if (!coded && line.startsWith("+")) {
      this.#onLog(line.slice(1));
      return undefined;
    }
    if (coded) this.#code = Number(coded[1]);
    this.#lines.push({ code: this.#code, text: coded?.[3] ?? line.slice(1) });
    if (coded?.[2] !== " ") return undefined;
    const reply = { code: this.#code, lines: this.#lines };
    this.#lines = [];
    return reply;
  }
}

import type { Host, KeptProgram } from "../../host/host.ts";

/**
 * iptables-restore(8) of one family and variant, kept running, since starting it costs ten times what a transaction does. It works off each
 * line as it reads it, so the echo of a comment (`--verbose`) that follows a `COMMIT` is its acknowledgement; it ends at the
 * first refusal, and is then started anew.
 */
export class RestoreWriter {
  readonly #host: Host;
  readonly #program: string;
  #running: KeptProgram | undefined;
  #count = 0;

  constructor(host: Host, program: string) {
    this.#host = host;
    this.#program = program;
  }

  /**
   * Has whole transactions carried out, one after the other; resolves when the kernel holds them. Rejects with a
   * `CommandError` at the first refusal: those before it are in force, those after it not.
   */
  async write(transactions: string): Promise<void> {
    if (!this.#running?.isAlive) this.#running = this.#host.keep([this.#program, ...options]);
    this.#count++;
    const echo = `# acknowledge ${this.#count}`;
    await this.#running.ask(`${transactions}${echo}\n`, echo, answerMs);
  }

  /** Ends the program. The next `write` starts it anew. */
  close(): void {
    this.#running?.close();
    this.#running = undefined;
  }
}

// --- internal ---

const options = ["--noflush", "--verbose", "--wait", "30"];
/** Beyond the wait for the lock. */
const answerMs = 60_000;

/** What has happened, so that a breach can be told with what led to it. */
export class Chronicle {
  /** Each breach with its time and what was done before it, in lines. */
  readonly breaches: string[] = [];
  readonly #lately: string[] = [];
  #startedAt: number | undefined;

  /** What comes before is forgotten, breaches too. */
  begin(): void {
    this.#startedAt = performance.now();
    this.breaches.length = 0;
    this.#lately.length = 0;
  }

  /** Something was done. */
  add(deed: string): void {
    this.#lately.push(`${this.#now()} ${deed}`);
    if (this.#lately.length > remembered) this.#lately.shift();
  }

  /** Something has happened that must not. */
  breach(what: string): void {
    if (this.#startedAt === undefined) return;
    this.breaches.push([`${this.#now()} ${what}; before it:`, ...this.#lately.map((line) => `    ${line}`)].join("\n"));
  }

  #now(): string {
    return `${((performance.now() - (this.#startedAt ?? 0)) / 1000).toFixed(3)} s`;
  }
}

// --- internal ---

const remembered = 40;

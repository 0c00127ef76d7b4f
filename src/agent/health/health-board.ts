/** How one part of the agent is. */
export interface PartHealth {
  /** False: only an end and a new start can mend it. */
  readonly live: boolean;
  /** Whether it does what the node is there for. */
  readonly ready: boolean;
  /** In what state it is, and if it is not well why, in a sentence. */
  readonly detail: string;
}

/** All parts at one moment. */
export interface HealthSummary {
  readonly live: boolean;
  readonly ready: boolean;
  /** By name, in the order of their registration. */
  readonly parts: ReadonlyMap<string, PartHealth>;
}

/** Which parts there are, and how each is when somebody asks. Parts are asked then, so nothing can be out of date. */
export class HealthBoard {
  readonly #parts = new Map<string, () => PartHealth>();

  /** A part of that name that was there is replaced. `ask` answers at once; one that throws is neither live nor ready. */
  register(name: string, ask: () => PartHealth): void {
    this.#parts.set(name, ask);
  }

  /** Live, or ready, if every part is. */
  summary(): HealthSummary {
    const parts = new Map([...this.#parts].map(([name, ask]) => [name, answerOf(ask)]));
    const all = [...parts.values()];
    return { live: all.every(({ live }) => live), ready: all.every(({ ready }) => ready), parts };
  }
}

// --- internal ---

function answerOf(ask: () => PartHealth): PartHealth {
  try {
    return ask();
  } catch (error) {
    return { live: false, ready: false, detail: `cannot say how it is: ${String(error)}` };
  }
}

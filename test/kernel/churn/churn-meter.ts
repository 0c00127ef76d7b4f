import { quantile } from "../../../bench/statistics.ts";
import { type SpentCpu, spentCpu } from "./held-resources.ts";

/** What something has taken, in milliseconds. */
export interface Spent extends SpentCpu {
  readonly wall: number;
}

/** What one backend has taken. `batches`: their number, each from its beginning to the kernel's acknowledgement. */
export interface BackendFigures extends Spent {
  readonly changes: number;
  readonly batches: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What Felix takes with each backend, without what belongs to the churn itself. */
export class ChurnMeter {
  readonly #figures = new Map<string, { changes: number; spent: Spent; batches: number[] }>();
  #backend = "";
  #since = now();
  #leftOut: Spent = { own: 0, children: 0, wall: 0 };

  /** Has a batch applied. */
  async batch(backend: string, changes: number, apply: () => Promise<void>): Promise<void> {
    if (backend !== this.#backend) this.#turn(backend);
    const startedAt = performance.now();
    await apply();
    const figures = this.#of(backend);
    figures.changes += changes;
    figures.batches.push(performance.now() - startedAt);
  }

  leaveOut<T>(work: () => T): T {
    const before = now();
    try {
      return work();
    } finally {
      this.#leftOut = plus(this.#leftOut, minus(now(), before));
    }
  }

  async leaveOutAll<T>(work: () => Promise<T>): Promise<T> {
    const before = now();
    try {
      return await work();
    } finally {
      this.#leftOut = plus(this.#leftOut, minus(now(), before));
    }
  }

  /** By backend, until now. */
  figures(): Readonly<Record<string, BackendFigures>> {
    this.#turn(this.#backend);
    const found = [...this.#figures].map(([backend, { changes, spent, batches }]) => {
      const [p50Ms, p99Ms] = [quantile(batches, 0.5), quantile(batches, 0.99)];
      return [backend, { changes, batches: batches.length, p50Ms, p99Ms, ...spent }] as const;
    });
    return Object.fromEntries(found);
  }

  /** Another backend's turn begins. */
  #turn(backend: string): void {
    if (this.#backend !== "") {
      const figures = this.#of(this.#backend);
      figures.spent = plus(figures.spent, minus(minus(now(), this.#since), this.#leftOut));
    }
    this.#backend = backend;
    this.#since = now();
    this.#leftOut = { own: 0, children: 0, wall: 0 };
  }

  #of(backend: string) {
    const known = this.#figures.get(backend) ?? {
      changes: 0,
      spent: { own: 0, children: 0, wall: 0 },
      batches: [],
    };
    this.#figures.set(backend, known);
    return known;
  }
}

// --- internal ---

function now(): Spent {
  return { ...spentCpu(), wall: performance.now() };
}

function plus(a: Spent, b: Spent): Spent {
  return { own: a.own + b.own, children: a.children + b.children, wall: a.wall + b.wall };
}

function minus(a: Spent, b: Spent): Spent {
  return { own: a.own - b.own, children: a.children - b.children, wall: a.wall - b.wall };
}

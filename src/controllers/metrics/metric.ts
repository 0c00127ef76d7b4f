/** One figure or family of figures, as Prometheus has them. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  /** A `counter` only grows while the process lives. */
  readonly type: "gauge" | "counter";
  /** The names of the labels; every sample has all of them. */
  readonly labels: readonly string[];
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

import { pino, symbols } from "pino";

/** The agent's log: one JSON object a line on standard output. */
export type Logger = ReturnType<typeof createLogger>;

export type LogLevel = "debug" | "info" | "warn" | "error";

export function createLogger(level: LogLevel, node: string) {
  return pino({
    level,
    base: { node },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

/** Calls `onError` for each time that the log could not be written, e.g. as nobody reads standard output any more. */
export function watchLogErrors(logger: Logger, onError: () => void): void {
  const { [symbols.streamSym]: stream } = logger as unknown as Readonly<
    Record<symbol, NodeJS.EventEmitter | undefined>
  >;
  let last: unknown;
  stream?.on("error", (error: unknown) => {
    // pino looks at an error and then emits it once more.
    if (error !== last) onError();
    last = error;
  });
}

import { pino } from "pino";

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

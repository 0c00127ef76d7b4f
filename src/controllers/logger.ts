import type { Logger as PinoLogger } from "pino";

/** Where a controller tells what it does. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

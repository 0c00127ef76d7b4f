import { hostname } from "node:os";
import { pino } from "pino";
import { Controllers } from "./controllers.ts";

export interface RunControllersOptions {
  /** Default: as `connect` finds one. */
  readonly kubeconfig: string | undefined;
  /** Default: what KubeControllersConfiguration says. */
  readonly logLevel: LogLevel | undefined;
  /** What the process is called, with a random part behind it. Default: the host's name. */
  readonly identity: string | undefined;
  /** Where the query API is served. */
  readonly queryAddress: string;
  readonly queryPort: number;
  /** Where metrics and health are served. */
  readonly metricsAddress: string;
}

type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Runs the cluster-wide controllers until SIGTERM or SIGINT; only one of all such processes acts at a time. Rejects when
 * it cannot begin.
 */
export async function runControllers(options: RunControllersOptions): Promise<void> {
  const { kubeconfig, logLevel, identity, queryAddress, queryPort, metricsAddress } = options;
  // Two processes of one name would both lead.
  const name = `${identity ?? hostname()}_${crypto.randomUUID()}`;
  const logger = pino({
    level: logLevel ?? "info",
    base: { identity: name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
  const controllers = await Controllers.start({
    ...{ kubeconfig, identity: name, queryAddress, queryPort, metricsAddress, logger },
    fixedLogLevel: logLevel,
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info({ signal }, "ending");
      void stopControllers(controllers, logger).then((code) => process.exit(code));
    });
  }
}

// --- internal ---

async function stopControllers(controllers: Controllers, logger: pino.Logger): Promise<0 | 1> {
  try {
    await controllers.stop();
    return 0;
  } catch (error) {
    logger.error({ err: error }, "cannot end in good order");
    return 1;
  }
}

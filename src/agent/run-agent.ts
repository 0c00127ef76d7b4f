import type { NodeName } from "../api/names.ts";
import { Agent } from "./agent.ts";
import { createLogger, type LogLevel } from "./logger.ts";
import { defaultPaths } from "./paths.ts";
import { stopAgent } from "./stop-agent.ts";

export interface RunAgentOptions {
  readonly nodeName: NodeName;
  /** Default: as `connect` finds one. */
  readonly kubeconfig: string | undefined;
  readonly queryPort: number;
  readonly metricsAddress: string;
  readonly metricsPort: number;
  readonly logLevel: LogLevel;
}

/**
 * Runs this node's agent until SIGTERM or SIGINT, then exits and leaves rules, routes and sessions in place.
 * Rejects when it cannot begin.
 */
export async function runAgent({ logLevel, ...options }: RunAgentOptions): Promise<void> {
  const { nodeName, kubeconfig, queryPort, metricsAddress, metricsPort } = options;
  const logger = createLogger(logLevel, nodeName);
  const served = { queryPort, metricsAddress, metricsPort };
  const agent = await Agent.start({ nodeName, kubeconfig, ...served, paths: defaultPaths, logger });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info({ signal }, "ending; what is in force stays in force");
      void stopAgent(agent, logger).then((code) => process.exit(code));
    });
  }
}

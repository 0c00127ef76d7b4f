import type { NodeName } from "../api/names.ts";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import { Agent } from "./agent.ts";
import { createLogger } from "./logger.ts";
import { defaultPaths } from "./paths.ts";
import { stopAgent } from "./stop-agent.ts";

export interface RunAgentOptions {
  readonly nodeName: NodeName;
  /** Default: as `connect` finds one. */
  readonly kubeconfig: string | undefined;
  readonly queryPort: number;
  /** What was said on the command line of what FelixConfiguration could say too: it goes before every other source. */
  readonly overrides: Partial<FelixSettings>;
}

/**
 * Runs this node's agent until SIGTERM or SIGINT, then exits and leaves rules, routes and sessions in place.
 * Rejects when it cannot begin.
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const logger = createLogger("info", options.nodeName);
  const agent = await Agent.start({ ...options, paths: defaultPaths, logger });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info({ signal }, "ending; what is in force stays in force");
      void stopAgent(agent, logger).then((code) => process.exit(code));
    });
  }
}

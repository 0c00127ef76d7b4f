import type { Agent } from "./agent.ts";
import type { Logger } from "./logger.ts";

/** Ends the agent and answers the code to exit with: 0, or 1 when it could not end in good order, which is logged. */
export async function stopAgent(agent: Pick<Agent, "stop">, logger: Logger): Promise<0 | 1> {
  try {
    await agent.stop();
    return 0;
  } catch (error) {
    logger.error({ err: error }, "cannot end in good order");
    return 1;
  }
}

import type { Command } from "commander";
import type { KubeClient } from "../kube/client.ts";

/** The options that `addConnectionOption` gives to a command. */
export interface ConnectionOptions {
  readonly kubeconfig?: string;
}

/** Adds `--kubeconfig`. Without it a command takes KUBECONFIG, then ~/.kube/config, then a pod's service account. */
export function addConnectionOption(command: Command): Command {
  return command.option(
    "--kubeconfig <file>",
    "how to reach the API server (default: KUBECONFIG, ~/.kube/config, or the pod's own account)",
  );
}

/** What `use` gives, with a client that is closed afterwards. */
export async function withClient<T>(options: ConnectionOptions, use: (client: KubeClient) => Promise<T>): Promise<T> {
  const { systemClock } = await import("../host/clock.ts");
  const { connect } = await import("../kube/kubeconfig.ts");
  const client = await connect({ ...options, clock: systemClock });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

import { type Command, Option } from "commander";
import type { RunControllersOptions } from "../controllers/run-controllers.ts";
import { portOf } from "./port-argument.ts";

/** `margay controllers`: runs until SIGTERM or SIGINT. Several may run: one acts, and another takes over when it ends. */
export function addControllers(program: Command): void {
  program
    .command("controllers")
    .description("run the cluster-wide controllers: garbage collection of addresses, pools, and live answers of nodes")
    .option("--kubeconfig <file>", "how to reach the API server (default: KUBECONFIG, or the pod's service account)")
    .addOption(
      new Option(
        "--log-level <level>",
        "what to log (default: logSeverityScreen of KubeControllersConfiguration default)",
      ).choices(["debug", "info", "warn", "error"]),
    )
    .option(
      "--identity <name>",
      "what this process is called in the leader's Lease, with a random part behind it (default: the host's name)",
    )
    .option(
      "--query-address <address>",
      "where kube-apiserver reaches the query API: an address of this machine",
      "0.0.0.0",
    )
    .addOption(new Option("--query-port <port>", "its TCP port").default(9096).argParser(portOf))
    .option(
      "--metrics-address <address>",
      "where /metrics and /healthz are served, on prometheusMetricsPort of the configuration: an address of this machine",
      "0.0.0.0",
    )
    .action(async ({ kubeconfig, logLevel, identity, queryAddress, queryPort, metricsAddress }: Flags) => {
      const { runControllers } = await import("../controllers/run-controllers.ts");
      await runControllers({ kubeconfig, logLevel, identity, queryAddress, queryPort, metricsAddress });
    });
}

// --- internal ---

type Flags = Partial<RunControllersOptions> &
  Pick<RunControllersOptions, "queryAddress" | "queryPort" | "metricsAddress">;

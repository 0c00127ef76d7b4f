import { type Command, InvalidArgumentError, Option } from "commander";
import type { RunAgentOptions } from "../agent/run-agent.ts";
import type { NodeName } from "../api/names.ts";
import { portOf, portOrNoneOf } from "./port-argument.ts";
import { type SettingFlags, settingsOfFlags } from "./settings-of-flags.ts";

/** `margay agent`: runs until SIGTERM or SIGINT, and leaves the node's rules, routes and sessions in place when it ends. */
export function addAgent(program: Command): void {
  program
    .command("agent")
    .description("run one node's agent: addresses, policy, routes, BGP and the CNI")
    .addOption(
      new Option("--node-name <name>", "the name of this node's Node object").env("NODENAME").argParser(nodeNameOf),
    )
    .option("--teardown", "do not run: remove from the kernel what agents have put there, tell of it, and end")
    .option("--kubeconfig <file>", "how to reach the API server (default: KUBECONFIG, or the pod's service account)")
    .addOption(
      new Option("--query-port <port>", "where the controllers ask about this node: TCP, on its InternalIP")
        .default(9095)
        .argParser(portOf),
    )
    .addOption(
      new Option("--metrics-port <port>", "where Prometheus asks for metrics: TCP; 0 for nowhere")
        .default(0)
        .argParser(portOrNoneOf),
    )
    .option("--metrics-address <address>", "the address to serve metrics on", "0.0.0.0")
    .addOption(
      new Option("--log-level <level>", "what to log").choices(["debug", "info", "warn", "error"]).default("info"),
    )
    .action(async ({ teardown, nodeName, ...flags }: AgentFlags, command: Command) => {
      if (teardown) {
        const { runTeardown } = await import("../agent/teardown/run-teardown.ts");
        process.exitCode = await runTeardown((line) => process.stdout.write(`${line}\n`));
        return;
      }
      if (nodeName === undefined) command.error("error: required option '--node-name <name>' not specified");
      const { runAgent } = await import("../agent/run-agent.ts");
      await runAgent({ ...flags, nodeName, overrides: settingsOfFlags(givenFlags(command)) });
    });
}

// --- internal ---

/** Only to run does it need a node's name. */
interface AgentFlags extends Omit<RunAgentOptions, "nodeName"> {
  readonly nodeName?: NodeName;
  readonly teardown?: boolean;
}

/** Only what stands on the command line: a flag's default says nothing. */
function givenFlags(command: Command): SettingFlags {
  const names = ["logLevel", "metricsAddress", "metricsPort"] as const;
  const given = names.filter((name) => command.getOptionValueSource(name) === "cli");
  return Object.fromEntries(given.map((name) => [name, command.getOptionValue(name)]));
}

function nodeNameOf(text: string): NodeName {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text)) return text as NodeName;
  throw new InvalidArgumentError("A node's name is an RFC 1123 subdomain: lower-case letters, digits, '-' and '.'.");
}

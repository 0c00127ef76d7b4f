import { Command, CommanderError } from "commander";
import { messageOf } from "../net/message-of.ts";
import { addAgent } from "./agent.ts";
import { addApply } from "./apply.ts";
import { addBgpPlan } from "./bgp-plan.ts";
import { addBgpWhy } from "./bgp-why.ts";
import { addControllers } from "./controllers.ts";
import { addDelete } from "./delete.ts";
import { addGet } from "./get.ts";
import { addInstallCni } from "./install-cni.ts";
import { addIpam } from "./ipam.ts";
import { addLab } from "./lab.ts";
import { addNodeDrainNet } from "./node-drain-net.ts";
import { addNodeStatus } from "./node-status.ts";

const program = new Command("margay")
  .description("Routed pod addresses and NetworkPolicy for Kubernetes")
  .exitOverride()
  // What follows a subcommand's first argument is its own: `lab exec node-1 iptables -S`.
  .enablePositionalOptions()
  .showHelpAfterError("(margay --help lists the commands)");

for (const add of [
  addGet,
  addApply,
  addDelete,
  addIpam,
  addBgpPlan,
  addBgpWhy,
  addNodeStatus,
  addNodeDrainNet,
  addAgent,
  addInstallCni,
  addControllers,
  addLab,
])
  add(program);

// Whoever reads the output may stop before its end (`| head`): no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

// --- internal ---

/** 0 for help, 2 for a command line that cannot be understood (commander has said why), 1 for a command that failed. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`margay: ${messageOf(error)}\n`);
  return 1;
}

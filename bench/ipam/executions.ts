import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import type { Load } from "../load.ts";
import { runExecutions } from "../run-executions.ts";
import type { Level } from "./one-node.ts";
import type { Rig } from "./rig.ts";

/** `calico-ipam` as a main plugin executes it, with a node's agent behind it. Disposing of it ends the agent. */
export interface Executions extends AsyncDisposable {
  readonly agentPid: number;
  /**
   * One execution for each of the containers `CONTAINER-0`, `CONTAINER-1` …; answers what each printed. VERSION asks no
   * agent. Rejects when one fails, or `signal` aborts; none is running then.
   */
  run(verb: Verb, container: string, load: ExecutionLoad): Promise<Load<string>>;
}

type Verb = "ADD" | "DEL" | "VERSION";

/** How many, for whom, and until when. */
export interface ExecutionLoad extends Level {
  readonly mainPlugin: MainPlugin;
  readonly signal: AbortSignal;
}

/** Who passes its configuration on: `ptp` is also given a gateway in every block, which is held for it; `macvlan` is not. */
type MainPlugin = "macvlan" | "ptp";

/** Compiles the executable and starts the agent of `node`, which must be there. Rejects, with nothing left, when it cannot. */
export async function startExecutions(rig: Rig, node: string): Promise<Executions> {
  const folder = join(rig.folder, node);
  const [programs, socketPath] = [join(folder, "bin"), join(folder, "cni.sock")];
  const confFile = (mainPlugin: MainPlugin) => join(folder, `${mainPlugin}.conf`);
  await mkdir(folder);
  for (const type of ["macvlan", "ptp"] as const) await writeFile(confFile(type), JSON.stringify({ ...conf, type }));
  await buildShim(new LinuxHost(), { folder: programs, socketPath, spoolFolder: join(folder, "spool"), waitMs: 1000 });
  const agent = spawn(process.execPath, [program("agent.ts"), node, rig.kubeconfig, folder, socketPath], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await ready(agent);
  return {
    agentPid: agent.pid ?? 0,
    run: async (verb, container, { concurrency, count, mainPlugin, signal }) => {
      const environment = {
        ...{ CNI_COMMAND: verb, CNI_NETNS: "/proc/self/ns/net", CNI_IFNAME: "eth0" },
        ...{ CNI_PATH: programs, CNI_ARGS: "IgnoreUnknown=1" },
      };
      const execution = { program: join(programs, "calico-ipam"), stdinFile: confFile(mainPlugin) };
      const tasks = Array.from({ length: count }, (_, index) => [
        { ...execution, environment: { ...environment, CNI_CONTAINERID: `${container}-${index}` } },
      ]);
      return runExecutions({ tasks, concurrency, outputFolder: folder }, { signal });
    },
    [Symbol.asyncDispose]: () => end(agent),
  };
}

/** The address in what an ADD printed. Throws when there is none. */
export function addressIn(output: string): string {
  const { ips } = JSON.parse(output) as { readonly ips?: readonly { readonly address: string }[] };
  const [first] = ips ?? [];
  if (first === undefined) throw new Error(`Cannot find the address in what ADD printed: ${output}`);
  return first.address;
}

// --- internal ---

/** What a main plugin passes on: its own configuration. */
const conf = {
  ...{ cniVersion: "1.0.0", name: "bench" },
  ipam: { type: "calico-ipam", assign_ipv4: "true" },
};

function program(name: string): string {
  return join(import.meta.dirname, name);
}

/** Resolves with the agent's first words. */
async function ready(agent: ChildProcess): Promise<void> {
  const ended = once(agent, "exit").then(([code]) => {
    throw new Error(`Cannot start the benchmark's agent: it ended with exit code ${code}`);
  });
  await Promise.race([agent.stdout === null ? ended : once(agent.stdout, "data"), ended]);
  // From now on its end is nobody's failure: an execution would fail first.
  ended.catch(() => undefined);
}

/** Closing its input tells the agent to end. */
async function end(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = once(agent, "exit");
  agent.stdin?.end();
  await ended;
}

import { stat } from "node:fs/promises";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { NetConf } from "./net-conf.ts";
import { quote } from "./quote.ts";

/**
 * Rejects with a `CniError` (7) when `nodename_file` of a configuration names another node than the agent's: the configuration is
 * another node's then. A file that is not there, or that the agent cannot see, says nothing.
 */
export async function requireNodenameFile(
  { nodename_file: path = "" }: Pick<NetConf, "nodename_file">,
  { host, nodeName }: Pick<CniDependencies, "host" | "nodeName">,
): Promise<void> {
  if (path === "") return;
  const name = await readName(path, host);
  if (name === undefined || name === "" || name === nodeName) return;
  const sentence = `Cannot use the network configuration: nodename_file ${path} holds ${quote(name)}, but this node's agent runs as ${quote(nodeName)}`;
  throw new CniError(cniCode.invalidConfiguration, sentence);
}

// --- internal ---

async function readName(path: string, host: CniDependencies["host"]): Promise<string | undefined> {
  try {
    // To open a pipe would hold up the whole agent.
    return (await stat(path)).isFile() ? (await host.readFile(path))?.trim() : undefined;
  } catch {
    // The path is the node's, and the agent may be a container without it.
    return undefined;
  }
}

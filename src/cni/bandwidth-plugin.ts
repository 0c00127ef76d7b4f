import { extname, join } from "node:path";
import { z } from "zod";
import type { Attachment } from "../api/objects.ts";
import { messageOf } from "../net/message-of.ts";
import { brieflyKnown } from "./briefly-known.ts";
import type { CniDependencies } from "./dependencies.ts";

/** What `bandwidthPluginOf` needs of the node. */
type ConfiguredNode = Pick<CniDependencies, "host" | "paths" | "report" | "clock">;

/**
 * Whether the CNI plugin `bandwidth` stands in the chain of the network, as the node's configuration has it: each plugin is
 * told of itself alone, and this one comes after us, too late to make room for it. Files that cannot be read are reported,
 * and count as none. What it answers may be a second old; a runtime too takes its time to read a file that changed.
 */
export async function bandwidthPluginOf(network: string, node: ConfiguredNode): Promise<Attachment["bandwidthPlugin"]> {
  try {
    return (await chainsOf(node)).get(network);
  } catch (error) {
    node.report("warn", `Cannot look for the plugin bandwidth in ${node.paths.netConf}: ${messageOf(error)}`, {
      network,
    });
    return undefined;
  }
}

// --- internal ---

/** What each network's chain has of it. */
type Chains = ReadonlyMap<string, Attachment["bandwidthPlugin"]>;

const chainsOf = brieflyKnown(readChains);

async function readChains({ host, paths }: ConfiguredNode): Promise<Chains> {
  const chains = new Map<string, Attachment["bandwidthPlugin"]>();
  for (const name of await host.listFolder(paths.netConf)) {
    if (!extensions.has(extname(name))) continue;
    const list = parseList(await host.readFile(join(paths.netConf, name)));
    // Runtimes take the first file by name that has the network.
    if (list !== undefined && !chains.has(list.name)) chains.set(list.name, roleOf(list.plugins));
  }
  return chains;
}

const extensions: ReadonlySet<string> = new Set([".conflist", ".conf", ".json"]);

const listSchema = z.object({
  name: z.string(),
  plugins: z
    .array(z.looseObject({ type: z.string(), capabilities: z.record(z.string(), z.unknown()).nullish() }))
    .default([]),
});

type Plugin = z.output<typeof listSchema>["plugins"][number];

/** Anything may lie in that folder: what is no list of plugins is nobody's chain. */
function parseList(text: string | undefined): z.output<typeof listSchema> | undefined {
  try {
    return listSchema.safeParse(JSON.parse(text ?? "")).data;
  } catch {
    return undefined;
  }
}

/** Any of these in its configuration, and it does not look at what the runtime has read from the pod's annotations. */
const ownRates = ["ingressRate", "ingressBurst", "egressRate", "egressBurst", "shapedSubnets", "unshapedSubnets"];

function roleOf(plugins: readonly Plugin[]): Attachment["bandwidthPlugin"] {
  const found = plugins.filter(({ type }) => type === "bandwidth");
  if (found.some((plugin) => ownRates.some((field) => field in plugin))) return "always";
  // Without the capability a runtime tells it nothing, and it does nothing.
  return found.some(({ capabilities }) => capabilities?.["bandwidth"] === true) ? "annotated" : undefined;
}

import { messageOf } from "../../net/message-of.ts";
import { parseDelegatedConf, parseNetConf } from "../net-conf.ts";
import { InstallSettingsError } from "./settings.ts";

/** A configuration file of sound form, and what to ask our executables before runtimes may see it. */
export interface ConfList {
  readonly text: string;
  /** One for each plugin that is ours. */
  readonly questions: readonly StatusQuestion[];
}

/** A STATUS: which executable, and what goes to its standard input. */
export interface StatusQuestion {
  readonly program: "calico" | "calico-ipam";
  readonly stdin: string;
}

/** The list of upstream's manifests, for who gives no template. */
export const defaultTemplate = `{
  "name": "k8s-pod-network",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "calico",
      "log_level": "__LOG_LEVEL__",
      "datastore_type": "__DATASTORE_TYPE__",
      "nodename": "__KUBERNETES_NODE_NAME__",
      "mtu": __CNI_MTU__,
      "ipam": { "type": "calico-ipam" },
      "policy": { "type": "k8s" },
      "kubernetes": { "kubeconfig": "__KUBECONFIG_FILEPATH__" }
    },
    { "type": "portmap", "snat": true, "capabilities": { "portMappings": true } }
  ]
}
`;

/**
 * Checks a configuration list, or the configuration of a lone plugin, as file `name` is to hold it. Whether its node name is
 * this node's is for STATUS to say. `requireMtuFile` adds that setting where our plugin has none.
 * Throws an `InstallSettingsError` when it is no JSON object, has no plugin of ours, or one that would be refused.
 */
export function readConfList(
  text: string,
  { name, requireMtuFile }: { readonly name: string; readonly requireMtuFile: boolean },
): ConfList {
  const list = parseObject(text);
  const { plugins = [list] } = list;
  if (name.endsWith(".conflist") !== "plugins" in list) {
    throw refused(`runtimes take "plugins" in a file that ends in .conflist, and there alone, but its name is ${name}`);
  }
  if (!Array.isArray(plugins) || !plugins.every(isObject)) throw refused('"plugins" is not a list of objects');
  const questions = plugins.flatMap((plugin) => questionOf(list, plugin));
  if (questions.length === 0) throw refused('no plugin in it has the type "calico" or "calico-ipam" for its ipam');
  if (!requireMtuFile) return { text, questions };
  for (const plugin of plugins) if (plugin["type"] === "calico") plugin["require_mtu_file"] ??= true;
  return { text: `${JSON.stringify(list, undefined, 2)}\n`, questions };
}

// --- internal ---

type Json = Record<string, unknown>;

function parseObject(text: string): Json {
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
  } catch (cause) {
    throw refused(`it is not JSON: ${messageOf(cause)}`, cause);
  }
  throw refused("it is not a JSON object");
}

function isObject(json: unknown): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function questionOf(list: Json, plugin: Json): readonly StatusQuestion[] {
  const { type, ipam } = plugin;
  const program =
    type === "calico" ? type : isObject(ipam) && ipam["type"] === "calico-ipam" ? ipam["type"] : undefined;
  if (typeof type !== "string" || type === "" || type.includes("/")) throw refused("a plugin in it has no type");
  if (program === undefined) return [];
  const whole = { ...plugin, name: list["name"], cniVersion: list["cniVersion"] };
  try {
    const stdin = JSON.stringify(whole);
    if (program === "calico") parseNetConf(stdin, { nodeName: nodeNameIn(whole), warn: () => undefined });
    else parseDelegatedConf(stdin, nodeNameIn(whole));
  } catch (cause) {
    throw refused(messageOf(cause), cause);
  }
  // STATUS came with this version; a list of an older one means the same by its fields.
  return [{ program, stdin: JSON.stringify({ ...whole, cniVersion: "1.1.0" }) }];
}

function nodeNameIn({ nodename, hostname, kubernetes }: Json): string {
  const inner = isObject(kubernetes) ? kubernetes["node_name"] : undefined;
  return [nodename, hostname, inner].find((name): name is string => typeof name === "string" && name !== "") ?? "";
}

function refused(why: string, cause?: unknown): InstallSettingsError {
  return new InstallSettingsError([`its configuration cannot be used: ${why}`], cause);
}

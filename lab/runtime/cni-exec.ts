/** Runs a configuration list as the CNI specification says (section 4, "Lifecycle & Ordering", and section 3, "Execution"). */
import { join } from "node:path";
import { CommandError } from "../../src/host/host.ts";
import { runProgram } from "../../src/host/run-program.ts";
import type { CniList, PluginConfig } from "./cni-list.ts";

/** One container's attachment, as the plugins are told of it. */
export interface CniAttachment {
  readonly containerId: string;
  readonly netns: string;
  readonly interfaceName: string;
  /** `CNI_ARGS`. */
  readonly args: Readonly<Record<string, string>>;
  /** By capability; a plugin is given those that it declares. */
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
}

/** A plugin answered with an error object, or did not answer. */
export class CniPluginError extends Error {
  readonly plugin: string;
  /** Undefined when the plugin gave no error object. */
  readonly code: number | undefined;

  constructor(plugin: string, command: string, facts: { code: number | undefined; text: string; cause: unknown }) {
    const { code, text, cause } = facts;
    super(`Cannot ${command} with plugin ${plugin}: ${text}${code === undefined ? "" : ` (CNI error ${code})`}`, {
      cause,
    });
    this.name = "CniPluginError";
    this.plugin = plugin;
    this.code = code;
  }
}

/** ADD through the whole list; gives the last plugin's result. Rejects with the first `CniPluginError`; the caller runs `cniDel` then. */
export async function cniAdd(list: CniList, attachment: CniAttachment, binFolder: string): Promise<unknown> {
  let prevResult: unknown;
  for (const plugin of list.plugins) {
    const stdin = configOf(list, plugin, { attachment, prevResult });
    const output = await execute({ command: "ADD", plugin: plugin.type, attachment, binFolder, stdin });
    prevResult = JSON.parse(output);
  }
  return prevResult;
}

/** DEL through the list, last plugin first. `result` is what ADD gave; plugins of 0.4.0 and later are told it. */
export async function cniDel(
  list: CniList,
  attachment: CniAttachment,
  { binFolder, result }: { readonly binFolder: string; readonly result: unknown },
): Promise<void> {
  const prevResult = isAtLeast040(list.cniVersion) ? result : undefined;
  for (const plugin of list.plugins.toReversed()) {
    const stdin = configOf(list, plugin, { attachment, prevResult });
    await execute({ command: "DEL", plugin: plugin.type, attachment, binFolder, stdin });
  }
}

// --- internal ---

interface Execution {
  readonly command: "ADD" | "DEL";
  readonly plugin: string;
  readonly attachment: CniAttachment;
  readonly binFolder: string;
  readonly stdin: string;
}

async function execute({ command, plugin, attachment, binFolder, stdin }: Execution): Promise<string> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: attachment.interfaceName,
    CNI_ARGS: Object.entries(attachment.args)
      .map(([key, value]) => `${key}=${value}`)
      .join(";"),
    CNI_PATH: binFolder,
  };
  try {
    return (await runProgram([join(binFolder, plugin)], { env, stdin, timeoutMs: 60_000 })).stdout;
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new CniPluginError(plugin, command, { ...answerOf(cause), cause });
  }
}

/** What a plugin said on its standard output: an error object, by the specification. */
function answerOf({ stdout, message }: CommandError): { readonly code: number | undefined; readonly text: string } {
  try {
    const { code, msg, details } = JSON.parse(stdout) as { code?: number; msg?: string; details?: string };
    return { code, text: [msg, details].filter(Boolean).join(": ") };
  } catch {
    return { code: undefined, text: message };
  }
}

function configOf(
  list: CniList,
  plugin: PluginConfig,
  { attachment, prevResult }: { attachment: CniAttachment; prevResult: unknown },
): string {
  const declared = Object.entries(attachment.capabilityArgs).filter(([name]) => plugin.capabilities?.[name] === true);
  return JSON.stringify({
    ...plugin,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(declared.length === 0 ? {} : { runtimeConfig: Object.fromEntries(declared) }),
    ...(prevResult === undefined ? {} : { prevResult }),
  });
}

function isAtLeast040(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 0 || minor >= 4;
}

import { join } from "node:path";
import type { PluginEnd } from "../host/run-plugin.ts";
import type { ExecutedIpam } from "./attachments.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { isExecutedType } from "./ipam-type.ts";
import { podCidrOrAny, withPodCidrs } from "./pod-cidr.ts";
import type { RawRequest, Verb } from "./request.ts";

/** An IPAM plugin to execute (CNI specification section 4, "Delegated Plugins"). */
export interface IpamCall {
  /** The executable's name. */
  readonly type: string;
  /** The request's variables; its verb does not count. */
  readonly environment: ReadonlyMap<string, string>;
  /** The network configuration, for its standard input. */
  readonly conf: string;
}

/** There is no executable of the plugin's name. */
export class AbsentIpamError extends CniError {}

/**
 * Executes an IPAM plugin, found on the request's CNI_PATH, as the node's own; answers what it printed. Rejects with a
 * `CniError`: an `AbsentIpamError` (104) when it is not there, 4 for a CNI_PATH that leads nowhere, 11 when it says so, else
 * 104 with what it said.
 */
export async function executeIpam(
  verb: Verb | "VERSION",
  { type, environment, conf }: IpamCall,
  node: Pick<CniDependencies, "runPlugin">,
  signal?: AbortSignal,
): Promise<string> {
  const folders = (environment.get("CNI_PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  for (const folder of folders) {
    const run = { path: join(folder, type), environment: { ...Object.fromEntries(environment), CNI_COMMAND: verb } };
    const end = await node.runPlugin({ ...run, stdin: conf, signal });
    if (end === undefined) continue;
    if (end.exitCode === 0) return end.stdout;
    throw refused(verb, type, end);
  }
  const sentence = `Cannot execute IPAM plugin ${type} for ${verb}: `;
  if (folders.length > 0) {
    throw new AbsentIpamError(
      cniCode.ipamFailed,
      `${sentence}there is no such program in ${folders.join(", ")}. Install it`,
    );
  }
  throw new AbsentIpamError(cniCode.ipamFailed, `${sentence}CNI_PATH names no folder where it could be`);
}

/** Whether the plugin speaks a version of the specification, by its answer to VERSION. Rejects as `executeIpam`. */
export async function speaksVersion(call: IpamCall, version: string, node: CniDependencies): Promise<boolean> {
  const said = await executeIpam("VERSION", { ...call, conf: JSON.stringify({ cniVersion: version }) }, node);
  const { supportedVersions } = parseJson(said) ?? {};
  return Array.isArray(supportedVersions) && supportedVersions.includes(version);
}

/**
 * The call that takes back what another IPAM plugin gave to an interface: by what its attachment remembers, with what the
 * request says of the container now; without an attachment by the request alone. Undefined when no other plugin gave anything.
 */
export function releaseCall(
  stored: { readonly ipam?: ExecutedIpam | undefined } | undefined,
  raw: RawRequest | undefined,
  node: Pick<CniDependencies, "nodes" | "nodeName">,
): IpamCall | undefined {
  if (stored?.ipam !== undefined) {
    const { type, environment, conf } = stored.ipam;
    return { type, environment: withRemembered(environment, raw?.environment ?? new Map()), conf };
  }
  if (stored !== undefined || raw === undefined) return undefined;
  const ipam = parseJson(raw.stdin)?.["ipam"];
  const type = typeof ipam === "object" && ipam !== null && "type" in ipam ? ipam.type : undefined;
  if (typeof type !== "string" || !isExecutedType(type)) return undefined;
  return lenientCall(type, raw, node);
}

/** The call of a plugin that is to take something away, for which a Node without its podCIDR must be no obstacle. */
export function lenientCall(
  type: string,
  raw: RawRequest,
  node: Pick<CniDependencies, "nodes" | "nodeName">,
): IpamCall {
  const conf = withPodCidrs(raw.stdin, (version) => podCidrOrAny(node, version));
  return { type, environment: raw.environment, conf };
}

// --- internal ---

function withRemembered(
  remembered: Readonly<Record<string, string>>,
  now: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const said = [...now].filter(([, value]) => value !== "");
  // The program may have been moved since, and a runtime may say less at the end than at the beginning.
  const path = [now.get("CNI_PATH") ?? "", remembered["CNI_PATH"] ?? ""].join(":");
  return new Map([...Object.entries(remembered), ...said, ["CNI_PATH", path]]);
}

function refused(verb: string, type: string, { exitCode, stdout, stderr }: PluginEnd): CniError {
  const { code, msg, details } = parseJson(stdout) ?? {};
  const why =
    typeof msg === "string" && msg !== "" ? msg : (stderr || stdout).trim().slice(-500) || `it ended with ${exitCode}`;
  // Any other code of its own would be taken for a word about this plugin's configuration or environment.
  const passed = code === cniCode.tryAgainLater || (verb === "STATUS" && (code === 50 || code === 51));
  return new CniError(passed ? code : cniCode.ipamFailed, `Cannot do ${verb} by IPAM plugin ${type}: ${why}`, {
    ...(typeof details === "string" && details !== "" ? { details } : {}),
  });
}

function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? (json as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

import { ownIpam } from "./ipam-type.ts";

/**
 * The settings that ask for something and get nothing here, by their paths in a plugin configuration (JSON, of sound form).
 * What each other setting comes to:
 *
 * | setting | what becomes of it |
 * |---|---|
 * | `ipam.assign_*`, `ipam.*_pools`, `ipam.routes`, `mtu`, `require_mtu_file`, `include_default_routes` | has its effect |
 * | `feature_control.*`, `runtimeConfig.ips`, `args.cni.ips` | has its effect: what a pod's annotations and the runtime may ask for |
 * | `container_settings` | has its effect at the top level; elsewhere it is among the ignored |
 * | `nodename`, `hostname`, `kubernetes.node_name` | must be the agent's own |
 * | `datastore_type`, `device_type` | anything but what this plugin serves is refused |
 * | `ipam.type`, `dns`, `prevResult` | has its effect; what else stands in `ipam` beside another type is that plugin's own |
 * | `kubernetes.*`, `qps`, `burst`, `calico_api_group` | nothing is missing: the agent has its own client and credentials |
 * | `nodename_file` | where the file can be read, it must name the agent's own node |
 * | `nodename_file_optional`, `ipam_lock_file` | nothing is missing: there is one agent, and it knows its node |
 * | `policy.*` | nothing is missing: policy is always in force |
 * | `log_file_*`, `log_level` | has its effect where `log_file_path` is given; the agent's own log has failures in any case |
 * | `policy_setup_timeout_seconds` | has its effect; what comes after it is the namespace's choice |
 * | `mode`, `endpoint_status_dir`, other `args` | they ask for nothing by themselves on Linux |
 * | ignored: `num_queues` but 1, `readiness_gates`, `dataplane_options`; under `calico-ipam` `ipam.subnet`, `ipam.ranges` | answered here |
 *
 * A value that asks for nothing, such as `false` or an empty list, is not among them.
 */
export function ignoredSettings(json: Readonly<Record<string, unknown>>): readonly string[] {
  const own = valueAt(json, ["ipam", "type"]) === ownIpam ? ofOtherIpam : [];
  const asked = [...withoutEffect, ...own].filter((path) => asks(path, valueAt(json, path.split("."))));
  return [...asked, ...misplacedSettings(json)];
}

// --- internal ---

const withoutEffect = ["num_queues", "readiness_gates", "dataplane_options"];

const ofOtherIpam = ["ipam.subnet", "ipam.ranges"];

function valueAt(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value;
  if (typeof value !== "object" || value === null) return undefined;
  return valueAt((value as Readonly<Record<string, unknown>>)[key], rest);
}

function asks(path: string, value: unknown): boolean {
  if (path === "num_queues") return value !== undefined && value !== 1;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value) && !/^false$/i.test(String(value));
}

/** Paths of every `container_settings` that is not at the top level. */
function misplacedSettings(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...path, key];
    // What other plugins and the runtime say is not ours to judge.
    if (path.length === 0 && (key === "prevResult" || key === "args" || key === "runtimeConfig")) return [];
    const found =
      key === "container_settings" && path.length > 0 ? [`${here.join(".")} (it counts only at the top level)`] : [];
    return [...found, ...misplacedSettings(inner, here)];
  });
}

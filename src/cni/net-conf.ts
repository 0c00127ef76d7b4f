import { z } from "zod";
import { messageOf } from "../net/message-of.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { resultDnsSchema } from "./cni-result.ts";
import { ignoredSettings } from "./ignored-settings.ts";
import { isExecutedType, ownIpam } from "./ipam-type.ts";

/** The configuration of one call: what the runtime sent on standard input, checked, with defaults filled in. */
export type NetConf = Readonly<z.infer<typeof schema>>;

/** What `calico-ipam` is told when another main plugin, such as `bridge`, runs it. */
export type DelegatedConf = Readonly<z.infer<typeof delegatedSchema>>;

/** What the node expects a configuration to agree with, and where a remark about it goes: one for each text, the same each time. */
export interface NetConfContext {
  readonly nodeName: string;
  readonly warn: (message: string) => void;
}

/** The versions of the specification that this plugin speaks, oldest first. */
export const supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof supportedVersions)[number];

/**
 * Reads a plugin configuration (CNI specification section 1, and the fields of `type: calico`). Unknown fields are ignored.
 * Throws a `CniError`: 6 for text that is no JSON object, 1 for a version not spoken, 7 for a field that is missing or wrong.
 */
export function parseNetConf(text: string, { nodeName, warn }: NetConfContext): NetConf {
  const json = parseObject(text);
  const conf = read(schema, json);
  requireNode(conf, nodeName);
  const ignored = ignoredSettings(json);
  if (ignored.length > 0)
    warn(`Ignoring settings of network ${conf.name} that have no effect here: ${ignored.join(", ")}`);
  return conf;
}

/**
 * Reads the configuration of another main plugin, which passes it whole to its IPAM plugin: only what concerns addresses
 * is looked at. Throws a `CniError` as `parseNetConf` does.
 */
export function parseDelegatedConf(text: string, nodeName: string): DelegatedConf {
  const conf = read(delegatedSchema, parseObject(text));
  requireNode(conf, nodeName);
  return conf;
}

/**
 * The name of the network, which is all that a DEL needs of a configuration that may have changed since its ADD.
 * Throws a `CniError` as `parseNetConf` does.
 */
export function parseNetworkName(text: string): string {
  const json = parseObject(text);
  cniVersionOf(json);
  const read = networkName.safeParse(json["name"]);
  if (!read.success) throw wrong(`name: ${read.error.issues[0]?.message}`);
  return read.data;
}

/** The version to answer a failure in: the configuration's own where it can be read and is spoken, else the newest. */
export function answerVersion(text: string): CniVersion {
  try {
    return cniVersionOf(parseObject(text));
  } catch {
    return "1.1.0";
  }
}

// --- the fields ---

const flag = z.union([
  z.boolean(),
  z
    .string()
    .regex(/^(true|false)$/i, 'must be true or false, also as "true" or "false"')
    .transform((text) => text.toLowerCase() === "true"),
]);
const count = z.number().int().min(0);
const text = z.string();
/** Runtimes in Go write an empty list as null. */
const words = z
  .array(text)
  .nullish()
  .transform((value) => value ?? []);

/** It becomes part of an IPAM handle's name; the pattern is the specification's. */
const networkName = z.string({ error: "is required" }).regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "must be a network name");

const ipam = z.object({
  type: z.string({ error: "is required" }),
  assign_ipv4: flag.default(true),
  assign_ipv6: flag.default(false),
  ipv4_pools: words,
  ipv6_pools: words,
  routes: z
    .array(z.object({ dst: text, gw: text.optional() }))
    .nullish()
    .transform((value) => value ?? []),
});

const requireFamily = (value: z.infer<typeof ipam>, context: z.RefinementCtx) => {
  if (value.assign_ipv4 || value.assign_ipv6) return;
  context.addIssue({ code: "custom", message: "assigns neither IPv4 nor IPv6: set assign_ipv4 or assign_ipv6" });
};

const ips = z
  .object({ ips: words })
  .nullish()
  .transform((value) => value ?? { ips: [] });

const kubernetes = z.object({
  k8s_api_root: text.optional(),
  kubeconfig: text.optional(),
  node_name: text.optional(),
});

/** Null is none, as runtimes in Go write it; an absent list says nothing, and stays absent. */
const attachments = z
  .array(z.object({ containerID: text, ifname: text }))
  .nullable()
  .transform((value) => value ?? [])
  .optional();

const datastore = z.literal("kubernetes", { error: 'must be "kubernetes"' });

/** What is said in the same words to every plugin that gives addresses. */
const common = z.object({
  cniVersion: z
    .string()
    .default("0.1.0")
    .transform((version) => (version === "" ? "0.1.0" : version) as CniVersion),
  name: networkName,
  type: z.string({ error: "is required" }),
  nodename: text.optional(),
  hostname: text.optional(),
  kubernetes: kubernetes.optional(),
  feature_control: z
    .object({ ip_addrs_no_ipam: flag.default(false), floating_ips: flag.default(false) })
    .default({ ip_addrs_no_ipam: false, floating_ips: false }),
  runtimeConfig: ips,
  args: z
    .object({ cni: ips })
    .nullish()
    .transform((value) => value ?? { cni: { ips: [] } }),
  prevResult: z
    .record(z.string(), z.unknown())
    .nullish()
    .transform((value) => value ?? undefined),
  "cni.dev/valid-attachments": attachments,
  // The name that an early text of specification 1.1.0 had; runtimes send both.
  "cni.dev/attachments": attachments,
});

const delegatedSchema = common.extend({
  datastore_type: datastore.optional(),
  ipam: ipam.superRefine(requireFamily),
  // Of `bridge`: it takes an address of the network for itself then.
  isGateway: flag.default(false),
  isDefaultGateway: flag.default(false),
});

const schema = common.extend({
  datastore_type: datastore,
  mode: text.optional(),
  mtu: count.max(65_535).default(0),
  num_queues: count.default(1),
  nodename_file: text.optional(),
  nodename_file_optional: flag.optional(),
  ipam_lock_file: text.optional(),
  log_level: text.optional(),
  log_file_path: text.optional(),
  log_file_max_size: count.optional(),
  log_file_max_age: count.optional(),
  log_file_max_count: count.optional(),
  qps: z.number().optional(),
  burst: z.number().optional(),
  calico_api_group: text.optional(),
  require_mtu_file: flag.default(false),
  device_type: z
    .enum(["", "veth"], { error: 'must be "veth" or left out: other devices, such as "netkit", cannot be made yet' })
    .optional(),
  include_default_routes: flag.optional(),
  dns: resultDnsSchema.nullish().transform((value) => value ?? undefined),
  readiness_gates: z.array(text).optional(),
  policy_setup_timeout_seconds: count.optional(),
  endpoint_status_dir: text.optional(),
  dataplane_options: z.unknown().optional(),
  ipam: ipam.superRefine((value, context) => {
    if (value.type === ownIpam) requireFamily(value, context);
    else if (!isExecutedType(value.type)) {
      const message = `${JSON.stringify(value.type)} is not an IPAM plugin's name, such as "calico-ipam" or "host-local"`;
      context.addIssue({ code: "custom", path: ["type"], message });
    }
  }),
  policy: z.object({ type: text.optional() }).optional(),
  container_settings: z.object({ allow_ip_forwarding: flag.default(false) }).default({ allow_ip_forwarding: false }),
});

// --- internal ---

function parseObject(source: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (cause) {
    const details = messageOf(cause);
    throw new CniError(cniCode.invalidJson, "Cannot read the network configuration: it is not JSON", {
      details,
      cause,
    });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CniError(cniCode.invalidJson, "Cannot read the network configuration: it is not a JSON object");
  }
  return json as Record<string, unknown>;
}

function read<T>(shape: z.ZodType<T>, json: Record<string, unknown>): T {
  cniVersionOf(json);
  const found = shape.safeParse(json);
  if (!found.success) throw wrong(found.error.issues.map(sentenceOf).join("; "));
  return found.data;
}

function cniVersionOf(json: Record<string, unknown>): CniVersion {
  // A configuration without one dates from before the field (specification 0.1.0).
  const version = json["cniVersion"] === undefined || json["cniVersion"] === "" ? "0.1.0" : json["cniVersion"];
  const known = supportedVersions.find((one) => one === version);
  if (known === undefined) {
    throw new CniError(
      cniCode.incompatibleVersion,
      `Cannot use the network configuration: cniVersion ${JSON.stringify(version)} is not one of ${supportedVersions.join(", ")}`,
    );
  }
  return known;
}

function wrong(sentence: string): CniError {
  return new CniError(cniCode.invalidConfiguration, `Cannot use the network configuration: ${sentence}`);
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  return `${issue.path.join(".") || "it"}: ${issue.message}`;
}

function requireNode(conf: z.infer<typeof common>, nodeName: string): void {
  const given = {
    nodename: conf.nodename,
    hostname: conf.hostname,
    "kubernetes.node_name": conf.kubernetes?.node_name,
  };
  for (const [field, name] of Object.entries(given)) {
    if (name === undefined || name === "" || name === nodeName) continue;
    throw wrong(`${field} is ${JSON.stringify(name)}, but this node's agent runs as ${JSON.stringify(nodeName)}`);
  }
}

import { z } from "zod";
import { versionOf } from "../net/ip.ts";
import { bgpPasswordField } from "./bgp-password.ts";
import { communityField, isCommunity } from "./community-field.ts";
import { type CustomKind, type Rule, validations, withRules } from "./custom-kind.ts";
import { type FieldFault, readableFields, unknownFields } from "./field-faults.ts";
import { asNumberField, durationField, ipField, networkField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import { type DeepReadonly, objectMetaSchema, type Resource } from "./resource.ts";

const networks = () =>
  z
    .array(z.object({ cidr: networkField().optional().describe("A network.") }))
    .max(1024)
    .optional();

const peeringIp = (version: 4 | 6) => {
  const message = `it must be an IPv${version} address`;
  const rule = { cel: `isIP(self) && ip(self).family() == ${version}`, message, field: "" };
  return ipField()
    .refine((ip) => versionOf(ip) === version, { error: message })
    .meta({ openapi: { type: "string", maxLength: 45, ...validations([rule]) } })
    .optional();
};

const priority = () => z.int().min(1).max(2_147_483_646).optional();

/** Every field of the spec, by name, with its check. None has a default here: what is absent is not set in this object. */
const fields = {
  logSeverityScreen: z
    .enum(["Debug", "Info", "Warning", "Error", "Fatal"])
    .optional()
    .describe("The least severe messages of the BGP daemon that are logged. Info when nothing is said."),
  nodeToNodeMeshEnabled: z
    .boolean()
    .optional()
    .describe(
      "Whether every node has a session with every other that is no route reflector. True when nothing is said.",
    ),
  asNumber: asNumberField()
    .optional()
    .describe("The AS number of every node that has none of its own. 64512 when nothing is said."),
  serviceLoadBalancerIPs: networks().describe(
    "Networks of load balancers' addresses: an address of a Service of type LoadBalancer is announced if it is in one of them.",
  ),
  serviceExternalIPs: networks().describe(
    "Networks of external addresses: a Service's externalIP is announced if it is in one of them.",
  ),
  serviceClusterIPs: networks().describe("Networks from which Services get their cluster addresses, to be announced."),
  serviceLoadBalancerAggregation: z
    .enum(["Enabled", "Disabled"])
    .optional()
    .describe(
      "Enabled, which holds when nothing is said: the networks of serviceLoadBalancerIPs are announced whole. Disabled: " +
        "the single addresses in use only.",
    ),
  communities: z
    .array(
      z.object({
        name: z
          .string()
          .regex(/^[a-zA-Z0-9_.-]{1,128}$/, { error: "it must be a name: letters, digits, dots, dashes, underscores" })
          .describe("How prefixAdvertisements call it."),
        value: communityField().describe("aa:nn with 16 bits each, or aa:nn:mm with 32 bits each."),
      }),
    )
    .max(500)
    .optional()
    .describe("Names for communities."),
  prefixAdvertisements: z
    .array(
      z.object({
        cidr: networkField().describe("The network."),
        communities: z
          .array(z.string().min(1).max(128))
          .min(1)
          .max(50)
          .describe("Communities, by a name from communities or by value."),
      }),
    )
    .max(500)
    .optional()
    .describe("Communities of routes inside these networks that the node announces."),
  listenPort: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe("The TCP port on which the node waits for neighbours. 179 when nothing is said."),
  nodeMeshPassword: bgpPasswordField().optional().describe("The TCP MD5 password of the mesh's sessions (RFC 2385)."),
  nodeMeshMaxRestartTime: durationField()
    .optional()
    .describe(
      "How long nodes of the mesh keep each other's routes over a restart (RFC 4724). 120s when nothing is said.",
    ),
  nodeMeshBFD: z
    .enum(["Enabled", "Disabled"])
    .optional()
    .describe("Whether the mesh's sessions are watched by BFD (RFC 5880). Disabled when nothing is said."),
  bindMode: z
    .enum(["None", "NodeIP"])
    .optional()
    .describe(
      "NodeIP: listen on the node's BGP addresses only. None, which holds when nothing is said: on every address.",
    ),
  ignoredInterfaces: z
    .array(
      z
        .string()
        .max(15)
        .regex(/^[a-zA-Z0-9_.*-]{1,15}$/, {
          error: "it must be the name of an interface, where * stands for anything",
        }),
    )
    .max(256)
    .optional()
    .describe("Interfaces whose networks are not taken as connected, besides those that are never: names with *."),
  localWorkloadPeeringIPV4: peeringIp(4).describe("The address by which pods of the node itself peer with it."),
  localWorkloadPeeringIPV6: peeringIp(6).describe("The same for IPv6."),
  programClusterRoutes: z
    .enum(["Enabled", "EnabledNoEncapOnly", "Disabled"])
    .optional()
    .describe(
      "Which routes to other nodes' pods BIRD writes to the kernel: all, those of pools without encapsulation, or none. " +
        "EnabledNoEncapOnly when nothing is said.",
    ),
  ipv4NormalRoutePriority: priority().describe(
    "The metric in the kernel of an ordinary route to an IPv4 pod; a lower one marks a route as elevated. 1024 when nothing is said.",
  ),
  ipv6NormalRoutePriority: priority().describe("The same for IPv6."),
};

type Spec = z.output<z.ZodObject<typeof fields>>;

const specRules: readonly Rule<Spec>[] = [
  {
    cel:
      "!has(self.communities) || size(self.communities) == 0 || " +
      "has(self.prefixAdvertisements) && size(self.prefixAdvertisements) > 0",
    message: "communities need prefixAdvertisements that use them",
    field: "communities",
    holds: ({ communities = [], prefixAdvertisements = [] }) =>
      communities.length === 0 || prefixAdvertisements.length > 0,
  },
  {
    // Every name with every other would cost the API server more than it allows.
    message: "a community in it is neither a value nor a name from communities",
    field: "prefixAdvertisements",
    holds: ({ communities = [], prefixAdvertisements = [] }) => {
      const names = new Set(communities.map(({ name }) => name));
      return prefixAdvertisements.every((one) => one.communities.every((text) => isCommunity(text) || names.has(text)));
    },
  },
  ...(["nodeMeshPassword", "nodeMeshMaxRestartTime", "nodeMeshBFD"] as const).map(needsMesh),
];

const spec = withRules(z.object(fields), specRules);

/** What a BGPConfiguration says; a field that is absent is not set in it, and the next object's or the default counts. */
export type BgpConfigurationSpec = DeepReadonly<z.output<typeof spec>>;

/** A BGPConfiguration as far as it can be read. */
export interface BgpConfiguration extends Resource<BgpConfigurationSpec> {
  /** What of its spec is not in `spec`, with the reason. */
  readonly faults: readonly FieldFault[];
}

/** Fields that are for all nodes alike. */
const defaultOnly = [
  ...(["nodeToNodeMeshEnabled", "asNumber", "nodeMeshPassword", "nodeMeshMaxRestartTime", "nodeMeshBFD"] as const),
  ...(["serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"] as const),
];

/** What the BGPConfiguration kind is: its schema, names and rules. */
export const bgpConfiguration: CustomKind<typeof spec> = {
  kind: "BGPConfiguration",
  plural: "bgpconfigurations",
  singular: "bgpconfiguration",
  shortNames: ["bgpconfig", "bgpconfigs"],
  aliases: [],
  description:
    "Settings of BGP. The object default is for every node, and node.NAME for one: what it says goes before default's.",
  spec,
  objectRules: defaultOnly.map(onlyOnDefault),
  columns: [
    { name: "LogSeverity", path: ".spec.logSeverityScreen", type: "string", description: "The least severe messages" },
    { name: "MeshEnabled", path: ".spec.nodeToNodeMeshEnabled", type: "boolean", description: "The full mesh" },
    { name: "ASNumber", path: ".spec.asNumber", type: "string", description: "The nodes' AS number" },
  ],
  example: {
    listenPort: 1790,
    ignoredInterfaces: ["docker0"],
    communities: [{ name: "racks", value: "64512:100" }],
    prefixAdvertisements: [{ cidr: "10.244.0.0/16", communities: ["racks", "64512:200"] }],
  },
};

/** Throws InvalidObjectError when any known field cannot be used; those that are not known are among the faults. */
export function parseBgpConfiguration(json: unknown): BgpConfiguration {
  return { ...parseObject(bgpConfiguration, json), faults: unknownFields(fields, json) };
}

/**
 * What stands for a BGPConfiguration that cannot be read: every field of it that can, and the others among the faults. A
 * password that cannot be read stays as one that is nowhere, so that no session is opened without. Undefined when not
 * even its name can be read.
 */
export function restOfBgpConfiguration(json: unknown): BgpConfiguration | undefined {
  const { data } = z.object({ metadata: objectMetaSchema, spec: z.unknown() }).safeParse(json);
  if (data === undefined) return undefined;
  const { metadata } = data;
  const isDefault = metadata.name === "default";
  const { spec, faults } = readableFields(fields, json, (field) =>
    isDefault ? undefined : defaultOnly.find((one) => one === field) && onDefaultMessage(field),
  );
  const hasLostPassword = isDefault && faults.some(({ field }) => field === "nodeMeshPassword");
  return { metadata, spec: hasLostPassword ? { ...spec, nodeMeshPassword: {} } : spec, faults };
}

// --- internal ---

function onDefaultMessage(field: string): string {
  return `${field} can be set on the BGPConfiguration default only`;
}

function onlyOnDefault(field: (typeof defaultOnly)[number]): Rule<Resource<BgpConfigurationSpec>> {
  const unset = `!has(self.spec.${field})`;
  const empty = field.startsWith("service") ? ` || size(self.spec.${field}) == 0` : "";
  return {
    cel: `self.metadata.name == 'default' || ${unset}${empty}`,
    message: onDefaultMessage(field),
    field: `spec.${field}`,
    holds: ({ metadata, spec }) => metadata.name === "default" || isUnset(spec[field]),
  };
}

/** An empty list says nothing. */
function isUnset(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

function needsMesh(field: "nodeMeshPassword" | "nodeMeshMaxRestartTime" | "nodeMeshBFD"): Rule<Spec> {
  return {
    cel: `!has(self.${field}) || !has(self.nodeToNodeMeshEnabled) || self.nodeToNodeMeshEnabled`,
    message: `${field} needs the mesh, which nodeToNodeMeshEnabled: false turns off`,
    field,
    holds: (given) => given[field] === undefined || given.nodeToNodeMeshEnabled !== false,
  };
}

import { z } from "zod";
import { cidrsOverlap, cidrVersion, prefixLength } from "../net/cidr.ts";
import { conditions } from "./condition.ts";
import { type CustomKind, immutable, type Rule, withRules } from "./custom-kind.ts";
import { cidrField, selectorField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";
import { unusableNetworks } from "./unusable-networks.ts";

const encapsulation = z.enum(["Never", "Always", "CrossSubnet"]);
const use = z.enum(["Workload", "Tunnel", "LoadBalancer"]);
const defaultUses: z.output<typeof use>[] = ["Workload", "Tunnel"];

const fields = z.object({
  cidr: cidrField().describe("The addresses of the pool as a network, such as 192.168.0.0/16. It cannot be changed."),
  blockSize: z
    .int()
    .min(20)
    .max(128)
    .optional()
    .describe(
      "The prefix length of the blocks that nodes take from the pool: 20 to 32 for IPv4, 116 to 128 for IPv6. " +
        "When it is left out it is 26 for IPv4, which is 64 addresses a block, and 122 for IPv6. It cannot be changed.",
    ),
  ipipMode: encapsulation
    .default("Never")
    .describe(
      "When packets between nodes are wrapped in IP-in-IP: Never, Always, or CrossSubnet, which is only where the other " +
        "node is in another subnet. IPv4 only, and not together with vxlanMode. Accepted, but without effect yet: nothing " +
        "is wrapped, and the condition Encapsulated says so.",
    ),
  vxlanMode: encapsulation
    .default("Never")
    .describe(
      "When packets between nodes are wrapped in VXLAN: Never, Always, or CrossSubnet, which is only where the other " +
        "node is in another subnet. Not together with ipipMode. Accepted, but without effect yet: nothing is wrapped, and " +
        "the condition Encapsulated says so.",
    ),
  natOutgoing: z
    .boolean()
    .default(false)
    .describe("Whether packets from the pool's pods to addresses outside every pool take the node's address."),
  disabled: z.boolean().default(false).describe("Whether new addresses are no longer given out; those in use stay."),
  disableBGPExport: z.boolean().default(false).describe("Whether the pool's routes are kept from BGP neighbours."),
  nodeSelector: selectorField()
    .default("all()")
    .describe("Which nodes take addresses from the pool, by their labels, for example rack == '1'."),
  namespaceSelector: selectorField()
    .default("")
    .describe(
      "Which namespaces' pods take addresses from the pool, by the namespaces' labels. Empty: those of every namespace. " +
        "Not for a pool whose allowedUses include Tunnel.",
    ),
  allowedUses: z
    .array(use)
    .max(3)
    .default(defaultUses)
    .meta({ "x-kubernetes-list-type": "set" })
    .describe(
      "What the addresses are for: Workload (pods), Tunnel (the nodes' tunnel devices), or LoadBalancer (Services), " +
        "which stands alone. Only Workload is served yet.",
    ),
  assignmentMode: z
    .enum(["Automatic", "Manual"])
    .default("Automatic")
    .describe("Manual: addresses are given out only to those who name the pool."),
});

type Fields = z.output<typeof fields>;

const isIpv4 = (pool: Fields) => cidrVersion(pool.cidr) === 4;
const isForServices = (pool: Fields) => pool.allowedUses.includes("LoadBalancer");
const encapsulates = (pool: Fields) => pool.ipipMode !== "Never" || pool.vxlanMode !== "Never";

const celBlockSize = "(has(self.blockSize) ? self.blockSize : self.cidr.contains(':') ? 122 : 26)";
const celNotForServices = "!('LoadBalancer' in self.allowedUses)";

const rules: readonly Rule<Fields>[] = [
  immutable("cidr"),
  {
    cel: `${celBlockSize} == ${celBlockSize.replaceAll("self.", "oldSelf.")}`,
    message: "blockSize cannot be changed; delete the pool and make a new one",
    field: "blockSize",
  },
  {
    cel:
      "!has(self.blockSize) || (self.cidr.contains(':') ? " +
      "self.blockSize >= 116 && self.blockSize <= 128 : self.blockSize >= 20 && self.blockSize <= 32)",
    message: "blockSize must be 20 to 32 for an IPv4 pool and 116 to 128 for an IPv6 pool",
    field: "blockSize",
    holds: (pool) => {
      const [least, most] = isIpv4(pool) ? [20, 32] : [116, 128];
      return pool.blockSize === undefined || (pool.blockSize >= least && pool.blockSize <= most);
    },
  },
  {
    cel: `self.disabled || !isCIDR(self.cidr) || cidr(self.cidr).prefixLength() <= ${celBlockSize}`,
    message: "the pool must hold at least one block: its prefix may not be longer than blockSize",
    field: "cidr",
    holds: (pool) => pool.disabled || prefixLength(pool.cidr) <= blockSizeOf(pool),
  },
  {
    cel:
      `!isCIDR(self.cidr) || [${unusableNetworks.map((network) => `'${network}'`).join(", ")}].all(reserved, ` +
      "!cidr(reserved).containsCIDR(self.cidr) && !cidr(self.cidr).containsCIDR(reserved))",
    message: `the pool may not overlap ${unusableNetworks.join(", ")}: no pod can be reached by an address of these`,
    field: "cidr",
    holds: (pool) => !unusableNetworks.some((reserved) => cidrsOverlap(reserved, pool.cidr)),
  },
  {
    cel: "self.ipipMode == 'Never' || self.vxlanMode == 'Never'",
    message: "ipipMode and vxlanMode cannot both be in use; set one of them to Never",
    field: "vxlanMode",
    holds: (pool) => pool.ipipMode === "Never" || pool.vxlanMode === "Never",
  },
  {
    cel: "self.ipipMode == 'Never' || !self.cidr.contains(':')",
    message: "IP-in-IP carries IPv4 only; set ipipMode to Never",
    field: "ipipMode",
    holds: (pool) => pool.ipipMode === "Never" || isIpv4(pool),
  },
  {
    cel: `${celNotForServices} || self.allowedUses.size() == 1`,
    message: "LoadBalancer cannot be combined with another use",
    field: "allowedUses",
    holds: (pool) => !isForServices(pool) || pool.allowedUses.length === 1,
  },
  {
    cel: `${celNotForServices} || self.ipipMode == 'Never' && self.vxlanMode == 'Never'`,
    message: "a LoadBalancer pool takes no encapsulation; set ipipMode and vxlanMode to Never",
    field: "allowedUses",
    holds: (pool) => !isForServices(pool) || !encapsulates(pool),
  },
  {
    cel: `${celNotForServices} || !self.disableBGPExport`,
    message: "a LoadBalancer pool must be announced; set disableBGPExport to false",
    field: "disableBGPExport",
    holds: (pool) => !isForServices(pool) || !pool.disableBGPExport,
  },
  {
    cel: `${celNotForServices} || self.nodeSelector == 'all()'`,
    message: "a LoadBalancer pool is not bound to nodes; set nodeSelector to all()",
    field: "nodeSelector",
    holds: (pool) => !isForServices(pool) || pool.nodeSelector === "all()",
  },
  {
    cel: "self.namespaceSelector == '' || !('Tunnel' in self.allowedUses)",
    message: "a pool with a namespaceSelector cannot serve tunnels; leave Tunnel out of allowedUses",
    field: "namespaceSelector",
    holds: (pool) => pool.namespaceSelector === "" || !pool.allowedUses.includes("Tunnel"),
  },
  {
    cel: "!('LoadBalancer' in oldSelf.allowedUses) || 'LoadBalancer' in self.allowedUses",
    message: "allowedUses cannot be changed from LoadBalancer to another use; delete the pool and make a new one",
    field: "allowedUses",
  },
  withoutGlobal("nodeSelector"),
  withoutGlobal("namespaceSelector"),
];

const spec = withRules(fields, rules).transform((pool) => ({
  ...pool,
  blockSize: blockSizeOf(pool),
  // As upstream: an empty list is none given.
  allowedUses: pool.allowedUses.length === 0 ? defaultUses : pool.allowedUses,
}));

/** A range of addresses for pods, and how packets from and to them travel. Every default is filled in. */
export type IpPoolSpec = DeepReadonly<z.output<typeof spec>>;

/** A checked IPPool. */
export interface IpPool extends Resource<IpPoolSpec> {
  /** It stands for an object that cannot be read (`closedIpPool`). */
  readonly isUnreadable?: true;
}

/** What the IPPool kind is: its schema, names and rules. */
export const ipPool: CustomKind<typeof spec> = {
  kind: "IPPool",
  plural: "ippools",
  singular: "ippool",
  shortNames: ["ipp"],
  aliases: ["ipps", "pool", "pools"],
  description:
    "A range of addresses from which nodes take blocks for their pods, and how packets from and to those pods travel.",
  spec,
  status: z.object({
    conditions: conditions.describe(
      "Allocatable: whether addresses are given out from the pool, and if not, why: CIDROverlap, Terminating, " +
        "PoolDisabled, SmallerThanBlock, LoadBalancerNotServed or NotReadable. Encapsulated: False while ipipMode or " +
        "vxlanMode asks for what is not there yet. BlockSizeUniform: False while blocks of another size lie in the pool.",
    ),
  }),
  columns: [
    { name: "CIDR", path: ".spec.cidr", type: "string", description: "The addresses of the pool" },
    { name: "Selector", path: ".spec.nodeSelector", type: "string", description: "The nodes that use the pool" },
    {
      name: "Allocatable",
      path: ".status.conditions[?(@.type=='Allocatable')].status",
      type: "string",
      description: "Whether it gives addresses",
    },
    { name: "NAT", path: ".spec.natOutgoing", type: "boolean", description: "Masqueraded outside", wide: true },
    { name: "IPIPMode", path: ".spec.ipipMode", type: "string", description: "When IP-in-IP is used", wide: true },
    { name: "VXLANMode", path: ".spec.vxlanMode", type: "string", description: "When VXLAN is used", wide: true },
    { name: "Disabled", path: ".spec.disabled", type: "boolean", description: "Gives no addresses", wide: true },
    {
      name: "DisableBGPExport",
      path: ".spec.disableBGPExport",
      type: "boolean",
      description: "Kept from BGP neighbours",
      wide: true,
    },
    {
      name: "AssignmentMode",
      path: ".spec.assignmentMode",
      type: "string",
      description: "Whether it is used without being named",
      wide: true,
    },
  ],
  example: { cidr: "192.168.0.0/16", blockSize: 26, natOutgoing: true },
};

/** Throws InvalidObjectError. */
export function parseIpPool(json: unknown): IpPool {
  return parseObject(ipPool, json);
}

// --- internal ---

/** global() names what belongs to no namespace, which a pool cannot select by. */
function withoutGlobal(field: "nodeSelector" | "namespaceSelector"): Rule<Fields> {
  return {
    cel: `!self.${field}.contains('global(')`,
    message: `${field} cannot use global()`,
    field,
    holds: (pool) => !pool[field].includes("global("),
  };
}

function blockSizeOf(pool: Fields): number {
  return pool.blockSize ?? (isIpv4(pool) ? 26 : 122);
}

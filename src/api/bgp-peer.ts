import { z } from "zod";
import { versionOf } from "../net/ip.ts";
import { bgpPasswordField } from "./bgp-password.ts";
import { type CustomKind, type Rule, withRules } from "./custom-kind.ts";
import { asNumberField, durationField, ipField, selectorField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import { parsePeerAddress } from "./peer-address.ts";
import { type DeepReadonly, objectMetaSchema, type Resource } from "./resource.ts";

const port = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

const peerIpRule: Rule<string> = {
  cel:
    `self == '' || isIP(self) || self.matches('^[0-9.]+:${port}$') && isIP(self.split(':')[0]) || ` +
    `self.matches('^[[][0-9a-fA-F:.]*:[0-9a-fA-F:.]*[]]:${port}$') && isIP(self.substring(1, self.indexOf(']')))`,
  message: "it must be an address, or an address and a port as 192.0.2.1:179 or [2001:db8::1]:179",
  field: "",
  holds: (text) => text === "" || parsePeerAddress(text) !== undefined,
};

const fields = z.object({
  node: z.string().optional().describe("The one node that has this neighbour. Not together with nodeSelector."),
  nodeSelector: selectorField()
    .optional()
    .describe("The nodes that have this neighbour, by their labels. Without it and without node, every node has it."),
  peerIP: withRules(z.string().max(64), [peerIpRule])
    .optional()
    .describe("The neighbour's address, with a port if it is not 179: 192.0.2.1, 192.0.2.1:1790, [2001:db8::1]:1790."),
  peerSelector: selectorField()
    .optional()
    .describe("The nodes that are the neighbours, by their labels. Instead of peerIP, and without asNumber."),
  localWorkloadSelector: selectorField()
    .optional()
    .describe("The pods of the node itself that are the neighbours, by their labels. Needs asNumber."),
  asNumber: asNumberField().optional().describe("The neighbour's AS number, such as 64512 or 1.10."),
  localASNumber: asNumberField().optional().describe("The AS number that we show this neighbour instead of our own."),
  nextHopMode: z
    .enum(["Auto", "Self", "Keep"])
    .optional()
    .describe(
      "The next hop of the routes we send: Self is the node, Keep is the one that came with the route, and Auto, which " +
        "holds when it is left out, is what BGP does for the kind of session.",
    ),
  keepOriginalNextHop: z
    .boolean()
    .optional()
    .describe("Deprecated; use nextHopMode: Keep. For neighbours in another AS only."),
  password: bgpPasswordField().optional().describe("The TCP MD5 password of the session (RFC 2385)."),
  sourceAddress: z
    .enum(["UseNodeIP", "None"])
    .default("UseNodeIP")
    .describe("The address that we speak from: the node's own, or None, which leaves it to the kernel."),
  maxRestartTime: durationField()
    .optional()
    .describe(
      "How long the neighbour keeps our routes while we restart (RFC 4724), such as 120s, which is the default.",
    ),
  keepaliveTime: durationField().optional().describe("The time between keepalive messages, such as 20s."),
  numAllowedLocalASNumbers: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .optional()
    .describe("How often our own AS number may stand in the path of a route that we take. It weakens loop detection."),
  ttlSecurity: z
    .int()
    .min(0)
    .max(255)
    .optional()
    .describe("The number of hops to the neighbour for TTL security (RFC 5082). 0 or absent: no such check."),
  reachableBy: ipField()
    .meta({
      openapi: {
        type: "string",
        maxLength: 45,
        "x-kubernetes-validations": [{ rule: "isIP(self)", message: "it must be an IPv4 or IPv6 address" }],
      },
    })
    .optional()
    .describe("The gateway to the neighbour, of the same family as peerIP; a route to peerIP through it is made."),
  filters: z.array(z.string()).default([]).describe("The names of the BGPFilters that apply, in order."),
  reversePeering: z
    .enum(["Auto", "Manual"])
    .optional()
    .describe(
      "Auto, which holds when it is left out: nodes chosen by peerSelector have this node as their neighbour too.",
    ),
  bfd: z
    .enum(["Enabled", "Disabled"])
    .default("Disabled")
    .describe("Whether the session is watched by BFD (RFC 5880), which the neighbour must do as well."),
});

type Fields = z.output<typeof fields>;

const given = (field: keyof Fields) => `(has(self.${field}) && self.${field} != '')`;
const celAsNumber = "(has(self.asNumber) && string(self.asNumber) != '0')";

/** Rules of the form: at most one of these two is given. */
function exclusive(field: keyof Fields, other: keyof Fields): Rule<Fields> {
  return {
    cel: `!${given(field)} || !${given(other)}`,
    message: `${field} and ${other} cannot both be given`,
    field,
    holds: (peer) => !peer[field] || !peer[other],
  };
}

const rules: readonly Rule<Fields>[] = [
  exclusive("node", "nodeSelector"),
  exclusive("peerIP", "peerSelector"),
  exclusive("peerIP", "localWorkloadSelector"),
  exclusive("peerSelector", "localWorkloadSelector"),
  {
    cel: `!${given("peerSelector")} || !${celAsNumber}`,
    message: "asNumber cannot be given with peerSelector; the nodes' own AS numbers count",
    field: "asNumber",
    holds: (peer) => !peer.peerSelector || peer.asNumber === undefined,
  },
  {
    cel: `!${given("localWorkloadSelector")} || ${celAsNumber}`,
    message: "localWorkloadSelector needs an asNumber",
    field: "localWorkloadSelector",
    holds: (peer) => !peer.localWorkloadSelector || peer.asNumber !== undefined,
  },
  {
    cel: "!has(self.nextHopMode) || !has(self.keepOriginalNextHop) || !self.keepOriginalNextHop",
    message: "keepOriginalNextHop and nextHopMode cannot both be given; use nextHopMode",
    field: "keepOriginalNextHop",
    holds: (peer) => peer.nextHopMode === undefined || !peer.keepOriginalNextHop,
  },
  {
    cel: `!has(self.reachableBy) || ${given("peerIP")}`,
    message: "reachableBy needs a peerIP",
    field: "reachableBy",
    holds: (peer) => peer.reachableBy === undefined || Boolean(peer.peerIP),
  },
  {
    cel: `!has(self.reachableBy) || !${given("peerIP")} || self.reachableBy.contains(':') == (self.peerIP.split(':').size() > 2)`,
    message: "reachableBy and peerIP must be of the same family",
    field: "reachableBy",
    holds: ({ reachableBy, peerIP }) => {
      const address = parsePeerAddress(peerIP ?? "");
      return reachableBy === undefined || !address || versionOf(reachableBy) === versionOf(address.ip);
    },
  },
];

const spec = withRules(fields, rules);

/** A BGP neighbour of one node, of selected nodes, or of all. */
export type BgpPeerSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked BGPPeer. One that cannot be read says in `spec` only whom it would have as a neighbour, and gives no session. */
export interface BgpPeer extends Resource<BgpPeerSpec> {
  /** Why it cannot be read; absent when it can. */
  readonly unreadable?: string;
}

/** What the BGPPeer kind is: its schema, names and rules. */
export const bgpPeer: CustomKind<typeof spec> = {
  kind: "BGPPeer",
  plural: "bgppeers",
  singular: "bgppeer",
  shortNames: ["bgpp"],
  aliases: ["bgpps", "bp", "bps"],
  description: "A BGP neighbour of one node, of the nodes that a selector chooses, or of every node.",
  spec,
  columns: [
    { name: "PeerIP", path: ".spec.peerIP", type: "string", description: "The neighbour's address" },
    { name: "Node", path: ".spec.node", type: "string", description: "The node that has it" },
    { name: "ASN", path: ".spec.asNumber", type: "string", description: "The neighbour's AS number" },
    {
      name: "NodeSelector",
      path: ".spec.nodeSelector",
      type: "string",
      description: "The nodes that have it",
      wide: true,
    },
    {
      name: "PeerSelector",
      path: ".spec.peerSelector",
      type: "string",
      description: "The nodes that are it",
      wide: true,
    },
  ],
  example: { nodeSelector: "rack == '1'", peerIP: "192.0.2.1", asNumber: 64513 },
};

/** Throws InvalidObjectError. */
export function parseBgpPeer(json: unknown): BgpPeer {
  return parseObject(bgpPeer, json);
}

/**
 * What stands for a BGPPeer that cannot be read, for `reason`: whom it would have as a neighbour. Were it absent, a BGPPeer of
 * wider scope could have that neighbour without the password and the filters of this one. Undefined when that cannot be read.
 */
export function closedBgpPeer(json: unknown, reason: string): BgpPeer | undefined {
  const { data } = z.object({ metadata: objectMetaSchema, spec: scope }).safeParse(json);
  return data && { metadata: data.metadata, spec: fields.parse(data.spec), unreadable: reason };
}

// --- internal ---

const scope = fields.pick({
  ...{ node: true, nodeSelector: true },
  ...{ peerIP: true, peerSelector: true, localWorkloadSelector: true },
});

import { z } from "zod";
import type { CustomKind } from "./custom-kind.ts";
import { timeField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const spec = z.object({
  node: z.string().min(1).max(253).describe("The name of the node."),
  classes: z
    .array(z.enum(["Agent", "BGP", "Routes"]))
    .min(1)
    .max(3)
    .meta({ "x-kubernetes-list-type": "set" })
    .check(({ value, issues }) => {
      if (new Set(value).size === value.length) return;
      issues.push({ code: "custom", input: value, path: [], message: "it has the same class twice" });
    })
    .describe("What is told: Agent, the BGP daemon; BGP, its sessions; Routes, its routes and the kernel's."),
  updatePeriodSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(10)
    .describe("How often it is told, in seconds. 0: not at all."),
});

const text = (what: string) => z.string().optional().describe(what);

const daemon = z.object({
  state: z.enum(["Ready", "NotReady"]).optional().describe("Whether it runs and answers."),
  version: text("Its version."),
  routerID: text("Its router ID."),
  lastBootTime: text("When it started."),
  lastReconfigurationTime: text("When it took its configuration last."),
});

const peer = z.object({
  peerIP: text("The neighbour's address."),
  type: z.enum(["NodeMesh", "NodePeer", "GlobalPeer"]).optional().describe("What asks for the session."),
  state: z
    .enum(["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established", "Close"])
    .optional()
    .describe("The state of the session (RFC 4271, section 8.2.2)."),
  since: text("Since when it has been in it."),
});

const learnedFrom = z.object({
  sourceType: z.enum(["Kernel", "Static", "Direct", "NodeMesh", "BGPPeer"]).optional().describe("What gave the route."),
  peerIP: text("The neighbour that sent it."),
});

const route = z.object({
  type: z.enum(["FIB", "RIB"]).optional().describe("FIB: packets go by it. RIB: the BGP daemon knows it besides."),
  destination: text("The network that it leads to."),
  gateway: text("The next hop."),
  interface: text("The interface that it goes out by."),
  learnedFrom: learnedFrom.optional().describe("Where it came from."),
});

const peers = (family: string) => z.array(peer).optional().describe(`The ${family} neighbours.`);
const routes = (family: string) => z.array(route).optional().describe(`The ${family} routes.`);

const status = z.object({
  lastUpdated: timeField().nullable().optional().describe("When this was written."),
  agent: z
    .object({
      birdV4: daemon.optional().describe("The BGP daemon as it serves IPv4."),
      birdV6: daemon.optional().describe("The BGP daemon as it serves IPv6."),
    })
    .optional()
    .describe("The BGP daemon."),
  bgp: z
    .object({
      numberEstablishedV4: z.int().describe("How many IPv4 sessions are established."),
      numberNotEstablishedV4: z.int().describe("How many are not."),
      numberEstablishedV6: z.int().describe("How many IPv6 sessions are established."),
      numberNotEstablishedV6: z.int().describe("How many are not."),
      peersV4: peers("IPv4"),
      peersV6: peers("IPv6"),
    })
    .optional()
    .describe("The sessions."),
  routes: z
    .object({ routesV4: routes("IPv4"), routesV6: routes("IPv6") })
    .optional()
    .describe("The routes."),
});

/** Which node is to tell what of itself, and how often. */
type CalicoNodeStatusSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked CalicoNodeStatus, without its status. */
export type CalicoNodeStatus = Resource<CalicoNodeStatusSpec>;
/** What the node tells. Times but `lastUpdated` are text for people. */
export type CalicoNodeStatusReport = DeepReadonly<z.output<typeof status>>;

/** What the CalicoNodeStatus kind is: its schema and names. */
export const calicoNodeStatus: CustomKind<typeof spec> = {
  kind: "CalicoNodeStatus",
  plural: "caliconodestatuses",
  singular: "caliconodestatus",
  shortNames: [],
  aliases: ["nodestatus", "nodestatuses"],
  selectableFields: [".spec.node"],
  description: "Asks a node to tell of its BGP daemon, sessions and routes, in the object's status.",
  spec,
  status,
  columns: [
    { name: "Node", path: ".spec.node", type: "string", description: "The node" },
    { name: "Classes", path: ".spec.classes", type: "string", description: "What is told", wide: true },
  ],
  example: { node: "node-1", classes: ["Agent", "BGP"], updatePeriodSeconds: 30 },
};

/** Throws InvalidObjectError. */
export function parseCalicoNodeStatus(json: unknown): CalicoNodeStatus {
  return parseObject(calicoNodeStatus, json);
}

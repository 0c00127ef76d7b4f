/** What is asked of a node's agent about its BGP, and answered: JSON on both ways, over the endpoint of node-query.ts. */
import { z } from "zod";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { ipField } from "./fields.ts";
import type { NodeName } from "./names.ts";

/** POST here with a `BgpQuery`; the answer is a `BgpAnswer`. */
export const bgpPath = "/v1/bgp";

const querySchema = z.object({
  peer: ipField().optional(),
  history: z.int().min(0).max(10_000).default(0),
  routes: z.boolean().default(false),
});

/** What of a node's BGP is wanted. */
export interface BgpQuery {
  /** Only the sessions with this neighbour, and what happened to them. */
  readonly peer: Ip | undefined;
  /** So many of the last entries of the history. */
  readonly history: number;
  /** Every route that BIRD knows, too. */
  readonly routes: boolean;
}

/** Reads a query, each field of which may be absent. Throws a ZodError. */
export function parseBgpQuery(json: unknown): BgpQuery {
  const { peer, history, routes } = querySchema.parse(json);
  return { peer: peer as Ip | undefined, history, routes };
}

const historyEntrySchema = z.object({
  at: z.number(),
  session: z.string().optional(),
  neighbor: ipField().optional(),
  kind: z.enum(["state", "error", "daemon", "configuration"]),
  text: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  leftOut: z.int().optional(),
});

/** Something that happened, as a node's flight recorder keeps it. */
export interface HistoryEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Absent for what concerns the daemon as a whole. */
  readonly session?: string | undefined;
  readonly neighbor?: Ip | undefined;
  /** A session's state; an error or notification that BIRD told; the daemon came or went; it took a configuration. */
  readonly kind: "state" | "error" | "daemon" | "configuration";
  readonly text: string;
  /** States of RFC 4271 §8.2.2, or `Down`. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** So many entries of the session before this one were repeats or too many, and are not kept. */
  readonly leftOut?: number | undefined;
}

/** Reads one entry; undefined for what is none, such as half of one. */
export function parseHistoryEntry(json: unknown): HistoryEntry | undefined {
  return historyEntrySchema.safeParse(json).data;
}

const sessionSchema = z.object({
  name: z.string(),
  kind: z.enum(["mesh", "global", "node", "workload"]).optional(),
  neighbor: ipField(),
  neighborAs: z.number().optional(),
  neighborNode: z.string().optional(),
  state: z.string(),
  since: z.number().optional(),
  lastError: z.string().optional(),
  lastErrorAt: z.number().optional(),
  held: z.string().optional(),
  imported: z.int(),
  exported: z.int(),
  flaps: z.int(),
  keepsOurRoutes: z.boolean(),
  neighborRestarts: z.boolean(),
});

/** One session, as it is configured and as it stands. */
export interface BgpSession {
  readonly name: string;
  /** Absent when the name is not one of ours. */
  readonly kind?: "mesh" | "global" | "node" | "workload" | undefined;
  readonly neighbor: Ip;
  /** Absent while it is not configured by this process. */
  readonly neighborAs?: number | undefined;
  /** The Node whose address the neighbour is. */
  readonly neighborNode?: string | undefined;
  /** RFC 4271 §8.2.2; `Down` when BIRD does not run it. */
  readonly state: string;
  /** Since when, in milliseconds since 1970; absent while BIRD does not know the session. */
  readonly since?: number | undefined;
  /** The last that was seen, also when the session is up again. */
  readonly lastError?: string | undefined;
  readonly lastErrorAt?: number | undefined;
  /** Why it must not come up. */
  readonly held?: string | undefined;
  /** Routes taken from the neighbour and given to it. */
  readonly imported: number;
  readonly exported: number;
  /** How often it was lost since the agent started. */
  readonly flaps: number;
  /** The neighbour keeps our routes while we restart (RFC 4724); it is restarting itself, and its routes are kept. */
  readonly keepsOurRoutes: boolean;
  readonly neighborRestarts: boolean;
}

const routeSchema = z.object({
  destination: z.string().transform((text) => text as Cidr),
  type: z.enum(["unicast", "blackhole", "unreachable", "prohibit"]),
  protocol: z.string(),
  isBest: z.boolean(),
  hops: z.array(z.object({ via: ipField().optional(), interface: z.string() })),
});

/** One route that BIRD knows. */
interface BgpRoute {
  readonly destination: Cidr;
  readonly type: "unicast" | "blackhole" | "unreachable" | "prohibit";
  /** The session or other protocol of BIRD that it came by. */
  readonly protocol: string;
  readonly isBest: boolean;
  readonly hops: readonly { readonly via?: Ip | undefined; readonly interface: string }[];
}

const daemonSchema = z.object({
  version: z.string(),
  routerId: z.string(),
  isRecovering: z.boolean(),
  lastReboot: z.number().optional(),
  lastReconfiguration: z.number().optional(),
});

/** BIRD as a whole; times are milliseconds since 1970. */
export interface BgpDaemon {
  readonly version: string;
  readonly routerId: string;
  /** It waits for its neighbours' routes after a restart. */
  readonly isRecovering: boolean;
  readonly lastReboot?: number | undefined;
  readonly lastReconfiguration?: number | undefined;
}

const answerSchema = z.object({
  node: z.string().transform((name) => name as NodeName),
  at: z.number(),
  daemon: daemonSchema.optional(),
  trouble: z.string().optional(),
  reconfigurations: z.int(),
  pending: z.array(z.string()),
  sessions: z.array(sessionSchema),
  rejected: z.array(z.object({ kind: z.string(), name: z.string(), reason: z.string() })),
  history: z.array(historyEntrySchema),
  routes: z.array(routeSchema).optional(),
});

/** A node's BGP at one moment. */
export interface BgpAnswer {
  readonly node: NodeName;
  /** When that was by the node's clock, in milliseconds since 1970: hold the other times against it. */
  readonly at: number;
  /** Absent while BIRD does not answer; `trouble` then says why. */
  readonly daemon?: BgpDaemon | undefined;
  readonly trouble?: string | undefined;
  /** How often BIRD took a configuration since the agent started. */
  readonly reconfigurations: number;
  /** What keeps the configuration from being what is wanted, as sentences: sessions in transition. */
  readonly pending: readonly string[];
  readonly sessions: readonly BgpSession[];
  /** Objects that ask for something that is not configured, and why. */
  readonly rejected: readonly { readonly kind: string; readonly name: string; readonly reason: string }[];
  /** The oldest first. */
  readonly history: readonly HistoryEntry[];
  /** When they were asked for and BIRD answers. */
  readonly routes?: readonly BgpRoute[] | undefined;
}

/** Throws a ZodError. */
export function parseBgpAnswer(json: unknown): BgpAnswer {
  return answerSchema.parse(json);
}

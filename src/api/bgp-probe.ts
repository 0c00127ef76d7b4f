/** What is asked of a node's agent about its BGP sessions with all that bears on them, and answered: JSON on both ways. */
import { z } from "zod";
import type { Ip } from "../net/ip.ts";
import { type HistoryEntry, parseHistoryEntry } from "./bgp-query.ts";
import { ipField } from "./fields.ts";
import type { NodeName } from "./names.ts";

/** POST here with a `BgpProbeQuestion`; the answer is a `BgpSide`. */
export const bgpProbePath = "/v1/bgp-probe";

/** So many neighbours are probed for one question. */
export const maxPeersProbed = 64;

const questionSchema = z.object({ peers: z.array(ipField()).max(maxPeersProbed) });

/** Neighbours to be probed actively, if the node has a session with them; none: only what is known without that. */
export interface BgpProbeQuestion {
  readonly peers: readonly Ip[];
}

/** Throws a ZodError. */
export function parseBgpProbeQuestion(json: unknown): BgpProbeQuestion {
  return questionSchema.parse(json) as BgpProbeQuestion;
}

/** Entries that cannot be read are left out: another release may have written them. */
const historySchema = z
  .array(z.unknown())
  .transform((entries): readonly HistoryEntry[] => entries.flatMap((entry) => parseHistoryEntry(entry) ?? []));

const wantedSchema = z.object({
  name: z.string(),
  kind: z.enum(["mesh", "global", "node", "workload"]),
  neighborAs: z.number(),
  /** What we show this neighbour. */
  localAs: z.number(),
  source: ipField().optional(),
  port: z.number().optional(),
  passive: z.boolean(),
  /** Why it must not come up. */
  held: z.string().optional(),
  /** It has a password; which, is told to nobody. */
  keyed: z.boolean(),
  ttlSecurityHops: z.number().optional(),
});

/** One session as it is configured. */
export type ConfiguredSession = Readonly<z.infer<typeof wantedSchema>>;

const observedSchema = z.object({
  name: z.string(),
  state: z.enum(["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established", "Down"]),
  /** ms since 1970, by the node's clock. */
  since: z.number().optional(),
  lastError: z.string().optional(),
  neighborRestarts: z.boolean(),
  imported: z.number(),
  exported: z.number(),
});

/** One session as BIRD has it (see `ObservedSession`). */
export type ObservedSide = Readonly<z.infer<typeof observedSchema>>;

const connectionSchema = z.object({
  /** This end has opened it. */
  isClient: z.boolean(),
  unacknowledged: z.number(),
  /** How often the oldest of it has been sent again, to no avail. */
  backoff: z.number(),
  sendQueueBytes: z.number(),
  receivedMsAgo: z.number(),
});

/** The TCP connection of an established session, as the kernel sees it (TCP_INFO). */
export type BgpConnection = Readonly<z.infer<typeof connectionSchema>>;

const synSchema = z.object({
  /**
   * `answered`: by a listener; `refused`: by a reset; `silent`: by nobody; `unreachable`: a router, or this node's kernel, says that it
   * cannot be delivered; `forbidden`: this node's own rules drop it; `no source`: the node has not the address to send from;
   * `too big`: the kernel knows a smaller path MTU.
   */
  outcome: z.enum(["answered", "refused", "silent", "unreachable", "forbidden", "no source", "too big"]),
  /** The errno name of `unreachable`. */
  code: z.string().optional(),
  /** Of the answer as it arrived; IPv4 only. */
  ttl: z.number().optional(),
  /** The answer's maximum segment size, bytes. */
  mss: z.number().optional(),
  /** Of the whole packet that was sent. */
  bytes: z.number(),
});

/** What came of an opening segment that is never completed to a connection: BIRD does not see it. */
export type SynResult = Readonly<z.infer<typeof synSchema>>;

const probeSchema = z.object({
  source: ipField().optional(),
  /** The interface that has `source`. */
  holder: z.object({ interface: z.string(), up: z.boolean(), mac: z.string() }).optional(),
  /** Those of all of the node's interfaces. */
  macs: z.array(z.string()).readonly(),
  route: z.object({
    kind: z.enum(["unicast", "local", "unreachable", "blackhole", "prohibit", "none"]),
    interface: z.string().optional(),
    gateway: ipField().optional(),
    /** What the kernel would send from by itself. */
    source: ipField().optional(),
    mtu: z.number().optional(),
  }),
  /** ARP or neighbour discovery of the neighbour, or of the gateway to it. */
  nextHop: z.object({ ip: ipField(), state: z.string(), mac: z.string().optional() }).optional(),
  /** Programs that listen on this node's BGP port. */
  listeners: z.array(z.object({ program: z.string(), pid: z.number() })).readonly(),
  syn: synSchema,
  /** The same without the password, when the session has one. */
  plainSyn: synSchema.optional(),
  /** The same as big as the connection's packets may be, once `syn` was answered. */
  bigSyn: synSchema.optional(),
  echo: z.enum(["answered", "silent", "unreachable"]),
  /** What arrived from the neighbour's or to our BGP port meanwhile, before any rule of TCP's; answers to our probes left out. */
  heard: z.object({
    packets: z.number(),
    /** Their signatures (RFC 2385), checked against our own password. */
    md5: z.object({ none: z.number(), right: z.number(), wrong: z.number() }),
    /** The largest of opening segments and data. */
    ttl: z.number().optional(),
  }),
  /** How often the kernel dropped a segment meanwhile: missing, unexpected or wrong signature; TTL too small. Of all connections. */
  dropped: z.object({ md5NotFound: z.number(), md5Unexpected: z.number(), md5Failure: z.number(), minTtl: z.number() }),
});

/** What was found out about the way to one neighbour. */
export type SessionProbe = Readonly<z.infer<typeof probeSchema>>;

const sessionSchema = z.object({
  neighbor: ipField(),
  /** The Node that has this address. */
  peerNode: z
    .string()
    .transform((name) => name as NodeName)
    .optional(),
  /** As the objects ask for it. */
  wanted: wantedSchema.optional(),
  /** It runs although it is not wanted any more, until others carry what it carries. */
  kept: z.boolean(),
  observed: observedSchema.optional(),
  connection: connectionSchema.optional(),
  /** Oldest first. */
  history: historySchema,
  probe: probeSchema.optional(),
});

/** All about one neighbour, from one end. */
export type BgpSessionSide = Readonly<z.infer<typeof sessionSchema>>;

const sideSchema = z.object({
  node: z.string().transform((name) => name as NodeName),
  /** ms since 1970, by the node's clock. */
  at: z.number(),
  daemon: z.enum(["running", "not running", "unknown"]),
  /** Why the daemon is not, or why nobody can say. */
  daemonText: z.string().optional(),
  /** Undefined while the node has no configuration, as its Node object has no address. */
  routerId: z.string().optional(),
  localAs: z.number().optional(),
  listenPort: z.number(),
  isMeshEnabled: z.boolean(),
  /** The node's BGP addresses. */
  addresses: z.array(ipField()).readonly(),
  rejected: z.array(z.object({ kind: z.string(), name: z.string(), reason: z.string() })).readonly(),
  sessions: z.array(sessionSchema).readonly(),
});

/** A node's end of its sessions. */
export type BgpSide = Readonly<z.infer<typeof sideSchema>>;

/** Throws a ZodError. */
export function parseBgpSide(json: unknown): BgpSide {
  return sideSchema.parse(json);
}

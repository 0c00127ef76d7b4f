/** Everything that is known of one address, for `ipam show --ip`. */
import type { IpPool } from "../api/ip-pool.ts";
import type { IpReservation } from "../api/ip-reservation.ts";
import { type AllocationAttribute, type IpamBlock, reserveNodeOf } from "../api/ipam-block.ts";
import { allocationOf } from "../ipam/block.ts";
import { choosePools, poolText } from "../ipam/pools.ts";
import { type ReleaseRecord, releasesOf } from "../ipam/release-journal.ts";
import { msOfTimestamp, timestampOf } from "../ipam/timestamp.ts";
import { type Cidr, cidrContainsIp, cidrVersion, prefixLength } from "../net/cidr.ts";
import { compareText } from "../net/compare-text.ts";
import type { Ip } from "../net/ip.ts";
import { formatAge } from "./age.ts";

/** What the cluster says, as far as the address is concerned. */
export interface AddressFacts {
  readonly ip: Ip;
  /** The block that it is of. */
  readonly block: IpamBlock | undefined;
  readonly pools: readonly IpPool[];
  readonly reservations: readonly IpReservation[];
  readonly cooldownSeconds: number;
}

/** What `ipam show --ip` prints with `-o json`. */
export interface AddressReport {
  readonly ip: Ip;
  readonly state: "in use" | "cooling down" | "free";
  readonly handle?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly alternateAttributes?: Readonly<Record<string, string>>;
  /** When it was given back, and when it is free again; only while it cools down. */
  readonly releasedAt?: string;
  readonly freeAt?: string;
  readonly block?: { readonly cidr: Cidr; readonly affinity?: string };
  readonly pool?: { readonly name: string; readonly cidr: Cidr };
  readonly reservation?: { readonly name: string; readonly cidr: Cidr } | undefined;
  /** Whether the next pod may get it. */
  readonly assignable: boolean;
  /** Why, as a sentence without its full stop. */
  readonly reason: string;
  /** Who held it before, the oldest first. */
  readonly history: readonly Omit<ReleaseRecord, "ip">[];
}

/** Puts the facts together. */
export function describeAddress(facts: AddressFacts): AddressReport {
  const { ip, block } = facts;
  const pool = narrowest(facts.pools.filter(({ spec }) => cidrContainsIp(spec.cidr, ip)));
  const reservation = reservationOf(facts.reservations, ip);
  const held = holdingOf(facts);
  const reason = refusalOf(facts, pool, { held, reservation });
  const affinity = block?.spec.affinity;
  return {
    ip,
    ...held,
    ...(block === undefined
      ? {}
      : { block: { cidr: block.spec.cidr, ...(affinity === undefined ? {} : { affinity }) } }),
    ...(pool === undefined ? {} : { pool: { name: pool.metadata.name, cidr: pool.spec.cidr } }),
    ...(reservation === undefined ? {} : { reservation }),
    assignable: reason === undefined,
    reason: reason ?? offerOf(pool),
    history: block === undefined ? [] : historyOf(block, ip),
  };
}

/** In the words of `calicoctl ipam show --ip`, and what we know beyond. `nowMs` is milliseconds since 1970. */
export function formatAddress(report: AddressReport, nowMs: number): string {
  const { pool, block, reservation, assignable, reason } = report;
  const lines = [
    ...holderLines(report, nowMs),
    `Block: ${block === undefined ? "none yet" : `${block.cidr}, ${ownerText(block.affinity)}`}`,
    `Pool: ${pool === undefined ? "none" : `${pool.name} (${pool.cidr})`}`,
    ...(reservation === undefined ? [] : [`Reserved: by IPReservation ${reservation.name} (${reservation.cidr})`]),
    `Given to new pods: ${assignable ? "yes" : "no"}, ${reason}`,
    ...historyLines(report, nowMs),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

// --- internal ---

type Holding = Pick<AddressReport, "state" | "handle" | "attributes" | "alternateAttributes" | "releasedAt" | "freeAt">;

function holdingOf({ block, ip, cooldownSeconds }: AddressFacts): Holding {
  const attribute = block === undefined ? undefined : allocationOf(block, ip)?.attribute;
  if (attribute === undefined) return { state: "free" };
  const { releasedAt } = attribute;
  if (releasedAt === undefined) return { state: "in use", ...holderOf(attribute) };
  const since = msOfTimestamp(releasedAt);
  // The time written is cut to the second.
  const freeAt = since === undefined ? {} : { freeAt: timestampOf(since + (cooldownSeconds + 1) * 1000) };
  return { state: "cooling down", ...holderOf(attribute), releasedAt, ...freeAt };
}

function holderOf({ handle_id, secondary, alternateOwnerAttrs }: AllocationAttribute): Partial<Holding> {
  return {
    ...(handle_id === undefined ? {} : { handle: handle_id }),
    ...(secondary === undefined ? {} : { attributes: secondary }),
    ...(alternateOwnerAttrs === undefined ? {} : { alternateAttributes: alternateOwnerAttrs }),
  };
}

/** Of pools that overlap, the smallest says most. */
function narrowest(pools: readonly IpPool[]): IpPool | undefined {
  return pools.toSorted((a, b) => prefixLength(b.spec.cidr) - prefixLength(a.spec.cidr))[0];
}

function reservationOf(reservations: readonly IpReservation[], ip: Ip): AddressReport["reservation"] {
  for (const { metadata, spec } of reservations) {
    const cidr = spec.reservedCIDRs.find((one) => cidrContainsIp(one, ip));
    if (cidr !== undefined) return { name: metadata.name, cidr };
  }
  return undefined;
}

function refusalOf(
  { pools }: AddressFacts,
  pool: IpPool | undefined,
  { held, reservation }: { readonly held: Holding; readonly reservation: AddressReport["reservation"] },
): string | undefined {
  if (pool === undefined) return "it is in no pool";
  const node = reserveNodeOf({ handle_id: held.handle });
  if (node !== undefined) return `node ${node} holds it for its next pods, or has just given it to one`;
  if (held.state !== "free") return `it is ${held.state}`;
  if (reservation !== undefined) return "it is reserved: only a pod that asks for this very address gets it";
  // Asked for by name, so that the answer holds whatever the node and the namespace.
  const { refused } = choosePools(pools, {
    version: cidrVersion(pool.spec.cidr),
    nodeLabels: {},
    requested: [pool.metadata.name],
  });
  return refused.map((one) => `pool ${one.pool} ${one.reason}`)[0];
}

function offerOf(pool: IpPool | undefined): string {
  if (pool === undefined) return "";
  const { nodeSelector, namespaceSelector, assignmentMode } = pool.spec;
  const limits = [
    ...(assignmentMode === "Manual" ? ["that ask for it by name"] : []),
    ...(nodeSelector === "all()" || nodeSelector === "" ? [] : [`on nodes selected by ${nodeSelector}`]),
    ...(namespaceSelector === "" ? [] : [`in namespaces selected by ${namespaceSelector}`]),
  ];
  return `pool ${poolText(pool)} gives it to pods${limits.length === 0 ? "" : ` ${limits.join(", ")}`}`;
}

function historyOf(block: IpamBlock, ip: Ip): AddressReport["history"] {
  return releasesOf(block)
    .filter((one) => one.ip === ip)
    .map(({ ip: _, ...record }) => record);
}

function holderLines(report: AddressReport, nowMs: number): readonly string[] {
  const { ip, state, handle, attributes = {}, alternateAttributes = {} } = report;
  if (state === "free") return [`${ip} is not assigned`];
  return [
    state === "in use" ? `IP ${ip} is in use` : coolingLine(report, nowMs),
    `Handle ID: ${handle ?? "<none>"}`,
    ...(Object.keys(attributes).length === 0
      ? ["No Active Owner attributes defined"]
      : attributeLines("Active", attributes)),
    ...attributeLines("Alternate", alternateAttributes),
  ];
}

function attributeLines(which: string, attributes: Readonly<Record<string, string>>): readonly string[] {
  const owner = Object.entries(attributes).toSorted(([a], [b]) => compareText(a, b));
  if (owner.length === 0) return [];
  return [`${which} Owner Attributes:`, ...owner.map(([name, value]) => `  ${name}: ${value}`)];
}

function coolingLine({ ip, releasedAt = "", freeAt }: AddressReport, nowMs: number): string {
  const left = freeAt === undefined ? 0 : (msOfTimestamp(freeAt) ?? 0) - nowMs;
  const end = left > 0 ? `it is free in ${formatAge(left)}` : "its cooldown is over";
  return `IP ${ip} is cooling down: given back at ${timeText(releasedAt, nowMs)}; ${end}`;
}

function ownerText(affinity: string | undefined): string {
  if (affinity === undefined) return "which is nobody's";
  return affinity.startsWith("host:") ? `which is node ${affinity.slice(5)}'s` : `which is ${affinity}'s`;
}

function historyLines({ history, state, attributes }: AddressReport, nowMs: number): readonly string[] {
  if (history.length === 0) return ["History: nothing is recorded"];
  const past = history.map(({ at, why, pod, node, handle }) => {
    if (reserveNodeOf({ handle_id: handle }) !== undefined) {
      return `  ${timeText(at, nowMs)}: freed, was held for pods to come on ${node ?? "a node unnamed"}: ${why}`;
    }
    const holder = pod === undefined ? (handle ?? "somebody unnamed") : `pod ${pod}`;
    const place = node === undefined ? "" : ` on ${node}`;
    const by = pod === undefined || handle === undefined ? "" : ` (${handle})`;
    return `  ${timeText(at, nowMs)}: freed, was of ${holder}${place}${by}: ${why}`;
  });
  const since = attributes?.["timestamp"];
  const now =
    since === undefined || state !== "in use" ? [] : [`  ${timeText(since, nowMs)}: given to its holder of now`];
  return ["History, oldest first:", ...past, ...now];
}

function timeText(at: string, nowMs: number): string {
  const ms = msOfTimestamp(at);
  return ms === undefined ? at : `${at} (${formatAge(nowMs - ms)} ago)`;
}

/** What stands in an object may hold anything; a terminal must not take it for a command. */
function printable(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, "�");
}

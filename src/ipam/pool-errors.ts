/** The sentences that say why a pod gets no address. */
import type { IpPool } from "../api/ip-pool.ts";
import type { NodeName } from "../api/names.ts";
import { cidrSize } from "../net/cidr.ts";
import { bitsOf, type IpVersion } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { type AssignRequest, IpamError } from "./ipam.ts";
import type { Limits } from "./limits.ts";
import { poolText, type RefusedPool } from "./pools.ts";

/** For which node and family an address was sought. */
interface Search {
  readonly node: NodeName;
  readonly version: IpVersion;
}

/** What was found when no pool could serve. */
export interface NoPool extends Search {
  readonly refused: readonly RefusedPool[];
}

/** What was found when every address was taken. */
export interface Exhaustion extends Search, Limits {
  readonly pools: readonly IpPool[];
  readonly ownBlocks: number;
  /** The IPReservations that keep addresses of the pools back. */
  readonly reservations: readonly string[];
}

/** No pool can serve: there is none, or each is refused for its own reason. */
export function noPoolError(request: AssignRequest, facts: NoPool): IpamError {
  const { version } = facts;
  const reasons = facts.refused.map(({ pool, reason }) => `pool ${pool} ${reason}`);
  const found =
    reasons.length === 0
      ? `there is no IPv${version} pool`
      : `no IPv${version} pool can serve it: ${reasons.join("; ")}`;
  return new IpamError(
    "no-pool",
    `${opening(request, facts)}: ${found}. Make or change an IPPool so that it serves this node`,
  );
}

/** Every address that the node may have is taken. */
export function exhaustedError(request: AssignRequest, facts: Exhaustion): IpamError {
  const { ownBlocks } = facts;
  const pools = facts.pools.map(
    (pool) => `${poolText(pool)} of ${cidrSize(pool.spec.cidr)} addresses in blocks of ${blockSizeOf(pool)}`,
  );
  const found = `no address is free for this node in ${pools.join(", ")}; the node has ${ownBlocks} block${ownBlocks === 1 ? "" : "s"}${limitsText(facts)}${reservedText(facts)}`;
  return new IpamError("exhausted", `${opening(request, facts)}: ${found}. ${remedies(facts).join(", or ")}`);
}

/** Nobody waits for the answer any more. */
export function cancelledError(request: AssignRequest, node: NodeName, signal: AbortSignal): Error {
  const sentence = `Cannot give ${whoOf(request)} an address on node ${node}: the request was cancelled`;
  return new Error(sentence, { cause: signal.reason });
}

/** Other writers were first, too often. */
export function contendedError(handle: string, node: NodeName, times: number): IpamError {
  return new IpamError(
    "contended",
    `Cannot change what ${handle} holds on node ${node}: others changed the same blocks first, ${times} times in a row. Try again`,
  );
}

/** What an earlier process of the node held for pods to come cannot be told apart from what pods have. */
export function straysError(node: NodeName): Error {
  return new Error(
    `Cannot free yet what an earlier process of node ${node} held for pods to come: an ADD is under way, or was cut short and is not undone`,
  );
}

/** A request failed, and what it was given meanwhile could not be taken back. */
export function notUndoneError(handle: string, error: unknown, undoing: unknown): AggregateError {
  const [first, second] = [error, undoing].map(messageOf);
  const sentence = `${first}; and what handle ${handle} was given meanwhile is still held: ${second}`;
  return new AggregateError([error, undoing], sentence);
}

/** Who asks, for a sentence. */
export function whoOf({ attributes, handle }: AssignRequest): string {
  const { pod, namespace } = attributes as { readonly pod?: string; readonly namespace?: string };
  return pod === undefined || namespace === undefined ? handle : `pod ${namespace}/${pod}`;
}

// --- internal ---

function opening(request: AssignRequest, { node, version }: Search): string {
  return `Cannot give ${whoOf(request)} an IPv${version} address on node ${node}`;
}

function blockSizeOf({ spec }: IpPool): bigint {
  return 1n << BigInt(bitsOf(spec.cidr.includes(":") ? 6 : 4) - spec.blockSize);
}

function limitsText(facts: Exhaustion): string {
  const atLimit = facts.ownBlocks >= facts.maxBlocks ? `, as many as it may have` : "";
  const alone = facts.strictAffinity ? ", and strictAffinity keeps it from using other nodes' blocks" : "";
  const manual = facts.autoAllocateBlocks ? "" : ", and autoAllocateBlocks is off";
  return `${atLimit}${manual}${alone}`;
}

function reservedText({ reservations }: Exhaustion): string {
  if (reservations.length === 0) return "";
  const [noun, verb] = reservations.length === 1 ? ["IPReservation", "keeps"] : ["IPReservations", "keep"];
  return `, and ${noun} ${reservations.join(", ")} ${verb} addresses back`;
}

function remedies(facts: Exhaustion): readonly string[] {
  return [
    "Delete pods that are not needed, add an IPPool that selects this node",
    ...(facts.ownBlocks >= facts.maxBlocks ? ["raise maxBlocksPerHost in IPAMConfiguration default"] : []),
    ...(facts.autoAllocateBlocks ? [] : ["turn autoAllocateBlocks on in IPAMConfiguration default"]),
    ...(facts.reservations.length > 0 ? ["reserve fewer addresses"] : []),
    ...(facts.strictAffinity ? ["turn strictAffinity off in IPAMConfiguration default"] : []),
  ];
}

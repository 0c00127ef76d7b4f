import type { BgpProbeQuestion, BgpSessionSide, BgpSide } from "../api/bgp-probe.ts";
import type { End, Evidence } from "../bgp/why/evidence.ts";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";

/** Asks the agent of a node. Rejects with a `NoSuchNodeError`, or with anything else when there is no answer in time. */
export type AskBgp = (node: string, question: BgpProbeQuestion, timeoutMs: number) => Promise<BgpSide>;

/** There is no node of that name: a mistake of whoever asks, and not of a session. */
export class NoSuchNodeError extends Error {
  override readonly name = "NoSuchNodeError";
}

/** What was found out about one node's sessions. */
export interface Gathered {
  /** Of the sessions that were looked at closely. */
  readonly evidence: readonly Evidence[];
  /** So many are up by what the node's BIRD says, and were not looked at. */
  readonly up: number;
}

/**
 * Both ends' evidence of the session between `node` and `peer`, a node's name or an address; without `peer` of every session of `node`
 * that is not plainly up. Takes at most 4.5 s: one question for what is known, and one for what probes find, to both ends at once,
 * so that each hears what the other sends. Rejects when the node does not exist, or nothing at all is known of it.
 */
export async function gatherEvidence(ask: AskBgp, node: string, peer?: string): Promise<Gathered> {
  const peerNode = peer === undefined || isIp(peer) ? undefined : peer;
  const [here, there] = await Promise.all([
    answerOf(ask, node, survey, surveyMs),
    peerNode === undefined ? undefined : answerOf(ask, peerNode, survey, surveyMs),
  ]);
  if (here.side === undefined && there?.side === undefined) {
    throw new Error(
      `Cannot tell why: ${[here.silence, there?.silence].filter((text) => text !== undefined).join("; ")}`,
    );
  }
  const sessions = here.side?.sessions ?? [];
  if (peer === undefined) {
    const troubled = sessions.filter((session) => !isPlainlyUp(session));
    const pairs = troubled.map((session) => ({ neighbor: session.neighbor, far: session.peerNode }));
    return { evidence: await probePairs(ask, { node, here, pairs }), up: sessions.length - troubled.length };
  }
  const address = isIp(peer) ? parseIp(peer) : undefined;
  const own = sessions.filter((session) => session.neighbor === address || session.peerNode === peer);
  const pairs: readonly Pair[] =
    own.length > 0
      ? own.map((session) => ({ neighbor: session.neighbor, far: session.peerNode ?? peerNode }))
      : [{ neighbor: address ?? there?.side?.addresses[0], far: peerNode }];
  return { evidence: await probePairs(ask, { node, here, pairs }), up: 0 };
}

// --- internal ---

/** Together with what the answers themselves take: less than five seconds. */
const surveyMs = 1_000;
const probeMs = 3_400;
const survey = { peers: [] } as const;
/** So many other ends are asked at once. */
const mostPairs = 24;

/** One session to be probed; `far` is the node at its other end, if it is one. */
interface Pair {
  readonly neighbor: Ip | undefined;
  readonly far: string | undefined;
}

interface Answer {
  readonly side: BgpSide | undefined;
  readonly silence: string | undefined;
}

interface ToProbe {
  readonly node: string;
  readonly here: Answer;
  readonly pairs: readonly Pair[];
}

async function probePairs(ask: AskBgp, { node, here, pairs }: ToProbe): Promise<readonly Evidence[]> {
  const asked = pairs.slice(0, mostPairs);
  const addresses = here.side?.addresses ?? [];
  const far = new Map<string, Promise<Answer>>();
  for (const name of asked.flatMap((pair) => pair.far ?? [])) {
    far.set(name, far.get(name) ?? probeFrom(ask, { node: name, other: node, addresses }).catch(silent));
  }
  const neighbors = asked.flatMap(({ neighbor }) => neighbor ?? []);
  const near = here.side === undefined ? here : await answerOf(ask, node, { peers: neighbors }, probeMs);
  // What was known before is better than nothing.
  const known = near.side === undefined && here.side !== undefined ? here : near;
  return Promise.all(pairs.map(async (pair) => evidenceOf(node, known, pair, await farOf(far, pair))));
}

/** A Node that has been deleted meanwhile says no more than one that is off. */
function silent(error: unknown): Answer {
  return { side: undefined, silence: messageOf(error) };
}

/** A node that says nothing of itself is looked for by its name. */
async function probeFrom(
  ask: AskBgp,
  { node, other, addresses }: { readonly node: string; readonly other: string; readonly addresses: readonly Ip[] },
): Promise<Answer> {
  if (addresses.length > 0) return answerOf(ask, node, { peers: addresses }, probeMs);
  const known = await answerOf(ask, node, survey, surveyMs);
  const peers = (known.side?.sessions ?? [])
    .filter(({ peerNode }) => peerNode === other)
    .map(({ neighbor }) => neighbor);
  return peers.length === 0 ? known : answerOf(ask, node, { peers }, probeMs - surveyMs);
}

function farOf(far: ReadonlyMap<string, Promise<Answer>>, pair: Pair): Promise<Answer> | Answer {
  const answer = pair.far === undefined ? undefined : far.get(pair.far);
  return answer ?? { side: undefined, silence: pair.far === undefined ? undefined : "it was not asked" };
}

function evidenceOf(node: string, near: Answer, { neighbor, far }: Pair, there: Answer): Evidence {
  const session = near.side?.sessions.find((one) => one.neighbor === neighbor);
  const addresses = near.side?.addresses ?? [];
  const back = there.side?.sessions.find(
    (one) => one.peerNode === node || addresses.includes(one.neighbor) || one.neighbor === session?.wanted?.source,
  );
  return {
    here: endOf({ name: node, isNode: true, address: back?.neighbor ?? addresses[0] }, near, session),
    there: endOf({ name: far ?? neighbor ?? "its peer", isNode: far !== undefined, address: neighbor }, there, back),
  };
}

function endOf(
  end: Pick<End, "name" | "isNode" | "address">,
  { side, silence }: Answer,
  session: BgpSessionSide | undefined,
): End {
  return { ...end, side, silence, session };
}

/** An answer that is late is none, whatever keeps it: whoever asks has five seconds. */
async function answerOf(ask: AskBgp, node: string, question: BgpProbeQuestion, timeoutMs: number): Promise<Answer> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  try {
    return { side: await Promise.race([ask(node, question, timeoutMs), late.promise]), silence: undefined };
  } catch (error) {
    if (error instanceof NoSuchNodeError) throw error;
    return { side: undefined, silence: messageOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

function isPlainlyUp({ observed, connection, kept }: BgpSessionSide): boolean {
  return observed?.state === "Established" && !observed.neighborRestarts && !kept && (connection?.backoff ?? 0) === 0;
}

import { ageText } from "./age-text.ts";
import { detailsOf } from "./details.ts";
import { type Cause, type End, type Evidence, type Finding, isEstablished, type Rule, type View } from "./evidence.ts";
import {
  connectionsCollide,
  farEndHasEndedIt,
  lastErrorOf,
  somethingElseWasTold,
  speakersDisagree,
} from "./talk-rules.ts";
import {
  addressIsHeldTwice,
  addressIsNotThere,
  bigPacketsGetLost,
  farEndMayCheckTtl,
  interfaceIsDown,
  isDeafTo,
  isRefused,
  nobodyIsThere,
  noRoute,
  ownRulesForbid,
  packetsAreDropped,
  passwordsDiffer,
  portIsTaken,
  ttlIsTooSmall,
  wrongInterface,
} from "./way-rules.ts";
import {
  daemonIsAway,
  daemonIsMute,
  nobodyWantsIt,
  nodeHasNoAddress,
  numbersDiffer,
  objectIsRejected,
  onlyOneEndChecksTtl,
  onlyOneEndHasPassword,
  onlyOneEndWantsIt,
  routerIdsAreTheSame,
  sessionIsHeld,
  sessionIsKept,
} from "./wish-rules.ts";

/**
 * Why the session is not up, or that it is. The first rule that finds something decides, asked of the near end first: what is
 * asked for, before what the way does, before what the speakers tell each other, as each makes the next one say less.
 */
export function explain(evidence: Evidence): Cause {
  const { here, there } = evidence;
  const isUp = isEstablished(here) || (here.side === undefined && isEstablished(there));
  const finding = isUp ? firstOf(rulesOfUp, evidence) : (firstOf(rulesOfDown, evidence) ?? nothingFound(evidence));
  const details = detailsOf(evidence);
  if (finding === undefined) return { kind: "up", sentence: upSentence(evidence), details };
  const names = `${here.name} and ${there.name}`;
  const what = isUp ? "peer, but not as they should" : "do not peer";
  return { kind: finding.kind, sentence: `${names} ${what}: ${finding.why}; ${finding.remedy}`, details };
}

// --- internal ---

/** The order in which rules are asked while there is no session. */
const rulesOfDown: readonly Rule[] = [
  // Nothing else counts without BIRD.
  ...[daemonIsAway, daemonIsMute, nodeHasNoAddress],
  // What is not asked for need not come up.
  ...[objectIsRejected, sessionIsKept, nobodyWantsIt, sessionIsHeld, onlyOneEndWantsIt],
  // What can be seen from the two configurations will not come up, whatever packets do.
  ...[numbersDiffer, routerIdsAreTheSame, onlyOneEndHasPassword, onlyOneEndChecksTtl],
  // From the node's own end outwards.
  ...[addressIsNotThere, interfaceIsDown, noRoute, ownRulesForbid, portIsTaken, addressIsHeldTwice, wrongInterface],
  // A signature is seen only by who has a password; a silence means less once that is ruled out.
  ...[nobodyIsThere, passwordsDiffer, farEndHasEndedIt, isRefused, packetsAreDropped, bigPacketsGetLost, ttlIsTooSmall],
  // Packets get through both ways: what do the speakers say?
  ...[connectionsCollide, speakersDisagree, farEndMayCheckTtl, somethingElseWasTold],
];

/** While it is up only what will bring it down counts. */
const rulesOfUp: readonly Rule[] = [
  daemonIsAway,
  neighborRestarts,
  sessionIsKept,
  ...[noRoute, ownRulesForbid, addressIsNotThere, interfaceIsDown].map(ifStuck),
  ...[nobodyIsThere, packetsAreDropped].map(ifStuck),
  bigPacketsGetLost,
  ttlIsTooSmall,
  onlyOneEndIsUp,
];

function firstOf(rules: readonly Rule[], { here, there }: Evidence): Finding | undefined {
  const views: readonly View[] = [
    { near: here, far: there },
    { near: there, far: here },
  ];
  for (const rule of rules) {
    for (const view of views) {
      const finding = rule(view);
      if (finding !== undefined) return finding;
    }
  }
  return undefined;
}

/** Its routes are kept meanwhile (RFC 4724). */
function neighborRestarts({ near, far }: View): Finding | undefined {
  if (near.session?.observed?.neighborRestarts !== true) return undefined;
  return {
    kind: "restarting",
    why: `BIRD on ${far.name} restarts, and ${near.name} keeps its routes until it is back`,
    remedy: "nothing needs to be done",
  };
}

/**
 * An established session whose opening packets get lost was opened before the fault: its own connection goes the same way. Only the
 * direction in which it was opened is proof, unless it waits for acknowledgements in vain or nobody has the address any more.
 */
function ifStuck(rule: Rule): Rule {
  return (view) => {
    const ends = [view.near, view.far];
    const isWaiting = ends.some(({ session }) => (session?.connection?.backoff ?? 0) > 0);
    const isDeaf = isDeafTo(view.near);
    const isUnanswered = ends.some(
      ({ session }) =>
        session?.connection?.isClient === true &&
        session.probe?.syn.outcome !== "answered" &&
        session.probe !== undefined,
    );
    return isWaiting || isDeaf || isUnanswered ? rule(view) : undefined;
  };
}

/** One end believes in a connection that the other has given up. */
function onlyOneEndIsUp({ near, far }: View): Finding | undefined {
  const state = far.session?.observed?.state;
  if (!isEstablished(near) || state === undefined || state === "Established") return undefined;
  const said = lastErrorOf(far);
  return {
    kind: "told",
    why: `${near.name} has it established, and ${far.name} has it in state ${state}${said === undefined ? "" : ` (${said})`}`,
    remedy: "ask again in a few seconds: one of them is about to notice",
  };
}

function nothingFound({ here, there }: Evidence): Finding {
  const silent = [here, there].filter(({ silence }) => silence !== undefined);
  const state = here.session?.observed?.state ?? there.session?.observed?.state;
  if (silent.length > 0) {
    const who = silent.map(({ name, silence }) => `${name} (${silence})`).join(" and ");
    return {
      kind: "agent",
      why: `nothing is known from ${who}`,
      remedy: "see whether the agent runs there, and ask again",
    };
  }
  if (isYoung(here) || isYoung(there)) {
    return {
      kind: "starting",
      why: `it is about to come up (${state}), nothing speaks against it`,
      remedy: "ask again in some seconds",
    };
  }
  return {
    kind: "unknown",
    why: `no reason was found: packets get through both ways, and neither end tells an error (${state ?? "no state"})`,
    remedy: `see BIRD's log on ${here.name} and ${there.name}`,
  };
}

/** BIRD connects anew within so long. */
const youngMs = 30_000;

function isYoung({ side, session }: End): boolean {
  const since = session?.observed?.since;
  return side !== undefined && since !== undefined && side.at - since < youngMs;
}

function upSentence({ here, there }: Evidence): string {
  const end = isEstablished(here) ? here : there;
  const { since, imported, exported } = end.session?.observed ?? {};
  const age = since === undefined || end.side === undefined ? "" : ` for ${ageText(end.side.at - since)}`;
  return `${here.name} and ${there.name} peer: session ${end.session?.observed?.name} is up${age}, ${imported} routes taken and ${exported} given by ${end.name}`;
}

/** Rules about what the two speakers have told each other: packets get through, and still there is no session. */
import type { HistoryEntry } from "../../api/bgp-query.ts";
import type { CauseKind, End, Finding, Rule, View } from "./evidence.ts";

/** The same two connections are given up again and again (RFC 4271 section 6.8). */
export const connectionsCollide: Rule = ({ near, far }) => {
  const times = errorsSinceUp(near, recentMs).filter(({ text }) => /collision/i.test(text)).length;
  if (times < 3) return undefined;
  return {
    kind: "collision",
    why: `both open connections at once, and each time both are given up (${times} times of late on ${near.name})`,
    remedy:
      `see that their router IDs differ, and let one end wait for the other (passive) ${far.isNode ? "" : `on ${far.name}`}`.trim(),
  };
};

/**
 * The far end has ended the session for a reason that lasts until somebody does something there, however long ago that was; it may have
 * closed its port since.
 */
export const farEndHasEndedIt: Rule = ({ near, far }) => {
  const text = errorsOf(near, Number.POSITIVE_INFINITY).find(
    (one) => one.startsWith("Received: ") && lasting.test(one),
  );
  return text === undefined ? undefined : findingOf(text, { near, far });
};

/**
 * A notification, or an error of BIRD's own, since the session was last up: the last that has a meaning of its own. What follows one, such
 * as connections that are closed at once, has none.
 */
export const speakersDisagree: Rule = (view) => {
  for (const text of errorsOf(view.near, recentMs)) {
    const finding = findingOf(text, view);
    if (finding !== undefined) return finding;
  }
  return undefined;
};

/** Any other error, as BIRD words it. */
export const somethingElseWasTold: Rule = ({ near }) => {
  const text = lastErrorOf(near);
  if (text === undefined) return undefined;
  return { kind: "told", why: `BIRD on ${near.name} says: ${text}`, remedy: `see BIRD's log on ${near.name}` };
};

/** The last error since the session was last up; undefined when there was none. */
export function lastErrorOf(end: End): string | undefined {
  return errorsOf(end, recentMs)[0];
}

// --- internal ---

interface Meaning {
  readonly pattern: RegExp;
  readonly kind: CauseKind;
  /** Of the end that has sent it, or found it, and of the other. */
  readonly why: (teller: string, told: string) => string;
  readonly remedy: (teller: string, told: string) => string;
}

/** BIRD's words (proto/bgp/packets.c, bgp.c) of RFC 4271 section 4.5 and RFC 4486. */
const meanings: readonly Meaning[] = [
  {
    ...{ pattern: /Maximum number of prefixes|Route limit exceeded|Automatic shutdown: .*limit/i, kind: "max-prefix" },
    why: (teller, told) => `${teller} has ended it, as ${told} announces more prefixes than ${teller} takes`,
    remedy: (teller, told) => `raise the limit on ${teller}, or have ${told} announce fewer (larger blocks, a filter)`,
  },
  {
    ...{ pattern: /Bad peer AS/i, kind: "as" },
    why: (teller, told) => `${teller} expects another AS of ${told} than ${told} has`,
    remedy: (teller, told) => `let the AS that ${teller} expects and the one of ${told} be the same`,
  },
  {
    ...{ pattern: /Bad BGP identifier/i, kind: "router-id" },
    why: (teller, told) => `${teller} does not take the router ID of ${told}: it is its own, or none`,
    remedy: () => "give each end a router ID of its own",
  },
  {
    ...{ pattern: /Authentication failure|MD5 auth failed/i, kind: "password" },
    why: (teller, told) => `${teller} cannot check the signature of ${told}`,
    remedy: () => "let both ends have the same password",
  },
  {
    ...{ pattern: /No listening socket/i, kind: "port-in-use" },
    why: (teller) => `BIRD on ${teller} cannot listen on its BGP port`,
    remedy: (teller) => `see which program has the port on ${teller}, stop it, and restart BIRD`,
  },
  {
    ...{ pattern: /Hold timer expired/i, kind: "told" },
    why: (teller, told) => `${teller} has heard nothing of ${told} for the hold time`,
    remedy: (_teller, told) => `see whether BIRD on ${told} is overloaded, and whether packets get lost now and then`,
  },
  {
    ...{ pattern: /Administrative (shutdown|reset)|Peer de-configured/i, kind: "told" },
    why: (teller) => `somebody has shut it down on ${teller}`,
    remedy: (teller) => `switch it on again on ${teller}`,
  },
  {
    ...{ pattern: /Connection rejected/i, kind: "told" },
    why: (teller, told) => `${teller} does not want ${told} as a neighbour now`,
    remedy: (teller, told) => `see whether ${teller} is configured for ${told}`,
  },
];

const lasting = /Maximum number of prefixes|Administrative shutdown|Peer de-configured/i;

function findingOf(text: string, { near, far }: View): Finding | undefined {
  const meaning = meanings.find(({ pattern }) => pattern.test(text));
  if (meaning === undefined) return undefined;
  const [teller, told] = text.startsWith("Received: ") ? [far.name, near.name] : [near.name, far.name];
  return {
    kind: meaning.kind,
    why: `${meaning.why(teller, told)} (${near.name}: ${text})`,
    remedy: meaning.remedy(teller, told),
  };
}

/** The last first. */
function errorsOf(end: End, withinMs: number): readonly string[] {
  return [
    end.session?.observed?.lastError ?? [],
    ...errorsSinceUp(end, withinMs)
      .map(({ text }) => text)
      .reverse(),
  ].flat();
}

function errorsSinceUp({ session, side }: End, withinMs: number): readonly HistoryEntry[] {
  const history = session?.history ?? [];
  const lastUp = history.findLastIndex(({ to }) => to === "Established");
  const oldest = (side?.at ?? 0) - withinMs;
  return history.slice(lastUp + 1).filter(({ kind, at }) => kind === "error" && at >= oldest);
}

/** What is older says little of now. */
const recentMs = 10 * 60_000;

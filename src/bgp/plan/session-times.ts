import { parseDuration } from "../../api/duration.ts";

/** A time as BIRD takes it. */
interface SessionTime {
  /** Whole seconds; undefined: nothing is said, and BIRD's own counts. */
  readonly seconds: number | undefined;
  /** Why it is not the one that was asked for. */
  readonly problem: string | undefined;
}

/** How long a neighbour keeps our routes (RFC 4724): at most 4095 s, as the message has 12 bits for it. */
export function restartTimeS(duration: string | undefined): SessionTime {
  const seconds = wholeSeconds(duration);
  if (seconds === undefined || seconds <= longestRestartS) return { seconds, problem: undefined };
  const problem = `${duration} is longer than BGP can say; ${longestRestartS} s are used`;
  return { seconds: longestRestartS, problem };
}

/** The time between keepalives: 1 s, up to BIRD's hold time; any other would have BIRD refuse its whole configuration. */
export function keepaliveTimeS(duration: string | undefined): SessionTime {
  const seconds = wholeSeconds(duration);
  if (seconds === undefined || (seconds >= 1 && seconds <= holdTimeS)) return { seconds, problem: undefined };
  const problem = `it must be 1 s to ${holdTimeS} s, the hold time, and is ${duration}; ${holdTimeS / 3} s are used`;
  return { seconds: undefined, problem };
}

// --- internal ---

const longestRestartS = 4095;
/** BIRD's. */
const holdTimeS = 240;

/** As upstream rounds. */
function wholeSeconds(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : Math.round(parseDuration(duration) / 1000);
}

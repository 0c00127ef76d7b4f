import { nodeKind } from "../../api/kinds.ts";
import type { NodeName } from "../../api/names.ts";
import { allSessions, type BirdConfig } from "../../bgp/plan/bird-config.ts";
import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import type { Clock } from "../../net/clock.ts";
import type { Observation } from "./observer.ts";

export interface BgpConditionsParts {
  readonly node: NodeName;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Whether an earlier process of this agent has last seen the session established. */
  readonly wasEstablished: (session: string) => boolean;
}

/** How a node's sessions are as a whole, in the words of a Kubernetes condition. */
export interface BgpCondition {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: "AllEstablished" | "SessionsDown" | "BirdNotRunning" | "NotLookedYet";
  readonly message: string;
}

/**
 * Tells people by events on the Node object: an established session that is lost for more than ten seconds, and that it is back;
 * BIRD that does not answer for so long; sessions that are held down; objects that ask for what cannot be done. None of it is a
 * fault of this node's readiness. What happens to many sessions at once is one event, and there are at most thirty a minute.
 */
export class BgpConditions {
  readonly #parts: BgpConditionsParts;
  /** Sessions that were established, and for those that are not any more since when, on the monotonic clock. */
  #followed = new Map<string, Followed>();
  #daemonGone: Loss | undefined;
  #told = new Set<string>();
  #condition: BgpCondition = { status: "Unknown", reason: "NotLookedYet", message: "BIRD was not asked yet" };
  #minute = { since: Number.NEGATIVE_INFINITY, events: 0, leftOut: 0 };

  constructor(parts: BgpConditionsParts) {
    this.#parts = parts;
  }

  /** As the last look has shown it. */
  get condition(): BgpCondition {
    return this.#condition;
  }

  /** To be told of every look, about once a second: what lasts is known by that only. */
  looked(now: Observation, configured: BirdConfig | undefined): void {
    this.#condition = conditionOf(now, configured);
    this.#followDaemon(now);
    if (now.daemon !== undefined) this.#followSessions(now.sessions);
    if (configured !== undefined) this.#tellConfiguration(configured);
  }

  #followDaemon({ daemon, trouble }: Observation): void {
    const at = this.#parts.clock.monotonicNow();
    if (daemon === undefined) {
      this.#daemonGone ??= { at, isTold: false };
      if (this.#daemonGone.isTold || at - this.#daemonGone.at <= lostForMs) return;
      this.#daemonGone.isTold = true;
      // Without "for how long": what is the same again is counted by its words.
      this.#say("Warning", "BGPDaemonDown", `BIRD does not answer: ${trouble}`);
      return;
    }
    if (this.#daemonGone?.isTold) this.#say("Normal", "BGPDaemonUp", "BIRD answers again");
    this.#daemonGone = undefined;
  }

  #followSessions(sessions: readonly ObservedSession[]): void {
    const at = this.#parts.clock.monotonicNow();
    const followed = new Map<string, Followed>();
    const [lost, back]: [string[], string[]] = [[], []];
    for (const session of sessions) {
      const { name, state, neighbor } = session;
      const known = this.#followed.get(name) ?? this.#before(name);
      if (state === "Established") {
        if (known?.loss?.isTold) back.push(`${name} (${neighbor})`);
        followed.set(name, { loss: undefined });
      } else if (known !== undefined && state !== "Down") {
        const loss = known.loss ?? { at, isTold: false };
        const isDue = !loss.isTold && at - loss.at > lostForMs;
        if (isDue) lost.push(lossOf(session));
        followed.set(name, { loss: { at: loss.at, isTold: loss.isTold || isDue } });
      }
    }
    this.#followed = followed;
    this.#sayEach("Warning", "BGPSessionLost", lost);
    this.#sayEach(
      "Normal",
      "BGPSessionEstablished",
      back.map((text) => `BGP session ${text} is established again`),
    );
  }

  #before(session: string): Followed | undefined {
    return this.#parts.wasEstablished(session) ? { loss: undefined } : undefined;
  }

  /** Each reason once, and again only after it was gone. */
  #tellConfiguration(config: BirdConfig): void {
    const held = allSessions(config).flatMap(({ name, held: reason }) =>
      reason === undefined ? [] : [`BGP session ${name} is held down: ${reason}`],
    );
    const objects = config.rejected.map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`);
    const isNew = (text: string) => !this.#told.has(text);
    this.#sayEach("Warning", "BGPSessionHeld", held.filter(isNew));
    this.#sayEach("Warning", "BGPObjectRejected", objects.filter(isNew));
    this.#told = new Set([...held, ...objects]);
  }

  #sayEach(type: "Normal" | "Warning", reason: string, texts: readonly string[]): void {
    if (texts.length <= mostAtOnce) for (const text of texts) this.#say(type, reason, text);
    else this.#say(type, reason, `${texts.slice(0, mostAtOnce).join("; ")}; and ${texts.length - mostAtOnce} more`);
  }

  #say(type: "Normal" | "Warning", reason: string, text: string): void {
    const { node, events, clock } = this.#parts;
    const at = clock.monotonicNow();
    if (at - this.#minute.since >= minuteMs) this.#minute = { ...this.#minute, since: at, events: 0 };
    if (this.#minute.events >= mostAMinute) {
      this.#minute.leftOut++;
      return;
    }
    const { leftOut } = this.#minute;
    this.#minute = { ...this.#minute, events: this.#minute.events + 1, leftOut: 0 };
    // As kubelet does: `kubectl describe node` looks for the name where an object's UID stands.
    events.record(
      { kind: nodeKind, name: node, uid: node },
      type,
      reason,
      leftOut === 0 ? text : `${text} (${leftOut} events before it were left out)`,
    );
  }
}

// --- internal ---

const lostForMs = 10_000;
const mostAtOnce = 5;
const minuteMs = 60_000;
const mostAMinute = 30;

interface Loss {
  readonly at: number;
  isTold: boolean;
}

interface Followed {
  readonly loss: Loss | undefined;
}

function lossOf({ name, neighbor, state, lastError, neighborRestarts }: ObservedSession): string {
  const error = lastError === undefined ? "" : `; ${lastError}`;
  const kept = neighborRestarts ? "; its routes are kept while it restarts" : "";
  return `BGP session ${name} (${neighbor}) is not established any more: ${state}${error}${kept}`;
}

function conditionOf({ daemon, trouble, sessions }: Observation, configured: BirdConfig | undefined): BgpCondition {
  if (daemon === undefined) {
    return { status: "False", reason: "BirdNotRunning", message: `BIRD does not answer: ${trouble}` };
  }
  const held = new Set(
    allSessions(configured)
      .filter((session) => session.held !== undefined)
      .map(({ name }) => name),
  );
  const down = sessions.filter(({ state }) => state !== "Established");
  if (down.length === 0) {
    return { status: "True", reason: "AllEstablished", message: `All ${sessions.length} sessions are established` };
  }
  const names = down.slice(0, mostAtOnce).map(({ name }) => (held.has(name) ? `${name} (held down)` : name));
  const more = down.length > mostAtOnce ? ` and ${down.length - mostAtOnce} more` : "";
  const message = `${down.length} of ${sessions.length} sessions are not established: ${names.join(", ")}${more}`;
  return { status: "False", reason: "SessionsDown", message };
}

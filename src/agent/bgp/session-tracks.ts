import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import { daemonChanges, type HistoryNote, sessionChanges, wasLost } from "./bgp-changes.ts";
import type { FlightRecorder } from "./flight-recorder.ts";
import type { Observation, ObserverListener } from "./observer.ts";

/** What is remembered of a session beside how it stands. */
export interface SessionTrack {
  readonly seen: ObservedSession;
  /** How often it was lost since this process began. */
  readonly flaps: number;
  readonly lastError: string | undefined;
  /** Milliseconds since 1970. */
  readonly lastErrorAt: number | undefined;
}

/** Follows the sessions from look to look: what happens goes to the flight recorder, and is counted. */
export class SessionTracks implements Required<ObserverListener> {
  readonly #recorder: Pick<FlightRecorder, "record" | "lastState">;
  readonly #now: () => number;
  #tracks = new Map<string, SessionTrack>();
  #before: Observation | undefined;
  #reconfigurations = 0;
  /** What BIRD itself has told lately of errors, by session, and of a configuration that no look has shown yet. */
  #errors = new Map<string, readonly ToldError[]>();
  #toldConfiguration = false;

  constructor(recorder: Pick<FlightRecorder, "record" | "lastState">, now: () => number) {
    this.#recorder = recorder;
    this.#now = now;
  }

  /** The session as it was last seen; while BIRD does not answer, that was before. */
  of(session: string): SessionTrack | undefined {
    return this.#tracks.get(session);
  }

  /** How often BIRD took a configuration since this process began. */
  get reconfigurations(): number {
    return this.#reconfigurations;
  }

  readonly logged = (line: string): void => {
    const [, name = "", text = ""] = /^(\w+): (.+)$/.exec(line) ?? [];
    const track = this.#tracks.get(name);
    if (track !== undefined) {
      this.#errors.set(name, [...(this.#errors.get(name) ?? []), { text, at: this.#now() }]);
      this.#tracks.set(name, { ...track, lastError: text, lastErrorAt: this.#now() });
      this.#record({ session: name, neighbor: track.seen.neighbor, kind: "error", text });
    } else if (line === "Reconfiguring") {
      this.#toldConfiguration = true;
      this.#configured();
    } else if (line !== "Reconfigured") this.#record({ kind: "daemon", text: line });
  };

  readonly looked = (now: Observation, isNews: boolean): void => {
    if (!isNews) return;
    const before = this.#before ?? { ...now, daemon: undefined, sessions: [] };
    for (const note of daemonChanges(before, now)) this.#record(note);
    // While BIRD does not answer nothing is known of its sessions: they are compared when it is back.
    if (now.daemon !== undefined) {
      this.#follow(now.sessions);
      const { daemon } = before;
      const isNewConfiguration =
        daemon?.lastReboot === now.daemon.lastReboot && daemon.lastReconfiguration !== now.daemon.lastReconfiguration;
      // Its line in the log may be lost in a flood of them.
      if (isNewConfiguration && !this.#toldConfiguration) this.#configured();
      if (isNewConfiguration) this.#toldConfiguration = false;
    }
    this.#before = now;
  };

  #follow(sessions: readonly ObservedSession[]): void {
    const tracks = new Map<string, SessionTrack>();
    for (const session of sessions) {
      const { name } = session;
      const track = this.#tracks.get(name);
      const told = this.#toldOf(name);
      for (const note of sessionChanges(track?.seen ?? this.#earlier(session), session, told)) this.#record(note);
      tracks.set(name, this.#tracked(track, session, told.length > 0));
    }
    for (const [name, { seen }] of this.#tracks) {
      if (!tracks.has(name)) for (const note of sessionChanges(seen, undefined, [])) this.#record(note);
    }
    this.#tracks = tracks;
  }

  /** BIRD's line and the look that shows the same error may come in either order. */
  #toldOf(name: string): readonly string[] {
    const recent = (this.#errors.get(name) ?? []).filter(({ at }) => this.#now() - at < recentMs);
    if (recent.length > 0) this.#errors.set(name, recent);
    else this.#errors.delete(name);
    return recent.map(({ text }) => text);
  }

  /** As an earlier process has seen it last, if its state is the same: that is no news. */
  #earlier(session: ObservedSession): ObservedSession | undefined {
    return this.#recorder.lastState(session.name) === session.state ? { ...session, lastError: undefined } : undefined;
  }

  #tracked(track: SessionTrack | undefined, seen: ObservedSession, wasTold: boolean): SessionTrack {
    const flaps = (track?.flaps ?? 0) + (track !== undefined && wasLost(track.seen, seen) ? 1 : 0);
    const isNewError = seen.lastError !== undefined && seen.lastError !== track?.seen.lastError && !wasTold;
    if (isNewError) return { seen, flaps, lastError: seen.lastError, lastErrorAt: this.#now() };
    return { seen, flaps, lastError: track?.lastError, lastErrorAt: track?.lastErrorAt };
  }

  #configured(): void {
    this.#reconfigurations++;
    this.#record({ kind: "configuration", text: "BIRD took a new configuration" });
  }

  #record(note: HistoryNote): void {
    this.#recorder.record(note);
  }
}

// --- internal ---

const recentMs = 3_000;

interface ToldError {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

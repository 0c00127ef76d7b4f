import { expect, test } from "vitest";
import type { HistoryNote } from "../../../../src/agent/bgp/bgp-changes.ts";
import { SessionTracks } from "../../../../src/agent/bgp/session-tracks.ts";
import { look, noBird, session } from "./observed.ts";

const name = "Mesh_10_0_0_2";

function watched(lastState: Readonly<Record<string, string>> = {}) {
  const notes: HistoryNote[] = [];
  let now = 1_000;
  const recorder = { record: (note: HistoryNote) => void notes.push(note), lastState: (of: string) => lastState[of] };
  const tracks = new SessionTracks(recorder, () => now);
  return {
    tracks,
    pass: (ms: number) => {
      now += ms;
    },
    /** What a look or a line brings, as `kind: text`. */
    brings: (event: () => void) => {
      event();
      return notes.splice(0).map(({ kind, text }) => `${kind}: ${text}`);
    },
  };
}

const up = session("10.0.0.2");
const answers = "daemon: BIRD 2.0.12, started 2026-11-21 09:00:00, answers";

test("the first look tells of the daemon and of each session", () => {
  const { tracks, brings } = watched();
  expect(brings(() => tracks.looked(look([up]), true))).toEqual([answers, "state: first seen"]);
  expect(brings(() => tracks.looked(look([up]), false))).toEqual([]);
});

test("what an earlier process has seen last is no news", () => {
  const { tracks, brings } = watched({ [name]: "Established", Mesh_10_0_0_3: "Established" });
  const other = session("10.0.0.3", { state: "Active", lastError: "Socket: Timed out" });
  const notes = brings(() => tracks.looked(look([up, other]), true));
  expect(notes).toEqual([answers, "error: Socket: Timed out", "state: first seen"]);
});

test("a lost session: the error that BIRD logs is told once, with all its words, and remembered", () => {
  const { tracks, brings, pass } = watched();
  brings(() => tracks.looked(look([up]), true));
  expect(brings(() => tracks.logged(`${name}: Received: Bad peer AS: 64512`))).toEqual([
    "error: Received: Bad peer AS: 64512",
  ]);
  const lost = session("10.0.0.2", {
    state: "Active",
    since: "2026-11-21 11:00:01",
    lastError: "Received: Bad peer AS",
  });
  expect(brings(() => tracks.looked(look([lost]), true))).toEqual(["state: Established to Active"]);
  expect(tracks.of(name)).toMatchObject({ flaps: 1, lastError: "Received: Bad peer AS: 64512", lastErrorAt: 1_000 });
  pass(10_000);
  const refused = { ...lost, lastError: "Socket: Connection refused" };
  expect(brings(() => tracks.looked(look([refused]), true))).toEqual(["error: Socket: Connection refused"]);
  expect(brings(() => tracks.looked(look([up]), true))).toEqual(["state: Active to Established"]);
  expect(tracks.of(name)).toMatchObject({ flaps: 1, lastError: "Socket: Connection refused", lastErrorAt: 11_000 });
});

test("attempts to connect are one state; agreeing on terms is another", () => {
  const { tracks, brings } = watched();
  const states = ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Idle"] as const;
  const notes = brings(() => {
    for (const state of states) tracks.looked(look([session("10.0.0.2", { state })]), true);
  });
  expect(notes).toEqual([answers, "state: first seen", "state: Active to OpenSent", "state: OpenConfirm to Idle"]);
  expect(tracks.of(name)?.flaps).toBe(0);
});

test("a loss between two looks shows by the time since when the session is up", () => {
  const { tracks, brings } = watched();
  brings(() => tracks.looked(look([up]), true));
  const again = session("10.0.0.2", { since: "2026-11-21 11:30:00" });
  expect(brings(() => tracks.looked(look([again]), true))).toEqual(["state: was lost and came up again"]);
  expect(tracks.of(name)?.flaps).toBe(1);
});

test("while BIRD does not answer nothing is said of its sessions; they are compared when it is back", () => {
  const { tracks, brings } = watched();
  brings(() => tracks.looked(look([up]), true));
  expect(brings(() => tracks.looked(noBird, true))).toEqual(["daemon: BIRD does not answer: nothing listens there"]);
  expect(tracks.of(name)?.seen.state).toBe("Established");
  const down = session("10.0.0.2", { state: "Connect", since: "2026-11-21 11:59:00" });
  expect(brings(() => tracks.looked(look([down]), true))).toEqual([answers, "state: Established to Connect"]);
  expect(tracks.of(name)?.flaps).toBe(1);
});

test("a session that is configured no more is told and forgotten", () => {
  const { tracks, brings } = watched();
  brings(() => tracks.looked(look([up]), true));
  expect(brings(() => tracks.looked(look([]), true))).toEqual(["configuration: the session is configured no more"]);
  expect(tracks.of(name)).toBeUndefined();
});

test("each new configuration counts once: by its line in the log, or by the look when that was lost", () => {
  const { tracks, brings } = watched();
  const configuredAt = (time: string) => {
    const now = look([up]);
    return { ...now, daemon: now.daemon && { ...now.daemon, lastReconfiguration: `2026-11-21 ${time}` } };
  };
  brings(() => tracks.looked(configuredAt("11:00:00"), true));
  const lines = brings(() => {
    tracks.logged("Reconfiguring");
    tracks.logged("Reconfigured");
    tracks.looked(configuredAt("11:00:05"), true);
  });
  expect(lines).toEqual(["configuration: BIRD took a new configuration"]);
  expect(tracks.reconfigurations).toBe(1);
  expect(brings(() => tracks.looked(configuredAt("11:00:09"), true))).toEqual([
    "configuration: BIRD took a new configuration",
  ]);
  expect(tracks.reconfigurations).toBe(2);
});

test("what BIRD logs of itself is told as it is", () => {
  const { tracks, brings } = watched();
  expect(brings(() => tracks.logged("Shutting down for graceful restart"))).toEqual([
    "daemon: Shutting down for graceful restart",
  ]);
});

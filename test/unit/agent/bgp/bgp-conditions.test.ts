import { beforeEach, expect, test } from "vitest";
import { BgpConditions } from "../../../../src/agent/bgp/bgp-conditions.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { configured, look, noBird, session } from "./observed.ts";

let clock: ReturnType<typeof testClock>;
let said: string[];
let conditions: BgpConditions;
let before: readonly string[];

beforeEach(() => {
  [clock, said, before] = [testClock(), [], []];
  conditions = new BgpConditions({
    ...{ node: "node-1" as NodeName, clock, wasEstablished: (name) => before.includes(name) },
    events: {
      record: (subject, type, reason, message) => {
        expect(subject).toMatchObject({ kind: { kind: "Node" }, name: "node-1" });
        said.push(`${type} ${reason}: ${message}`);
      },
    },
  });
});

const up = session("10.0.0.2");
const lost = session("10.0.0.2", { state: "Active", lastError: "Socket: No route to host" });
const lostText =
  "Warning BGPSessionLost: BGP session Mesh_10_0_0_2 (10.0.0.2) is not established any more: Active; Socket: No route to host";

/** Looks once a second for so long. */
function watch(
  seconds: number,
  now: Parameters<BgpConditions["looked"]>[0],
  config?: Parameters<BgpConditions["looked"]>[1],
) {
  for (let second = 0; second < seconds; second++) {
    conditions.looked(now, config);
    clock.pass(1_000);
  }
  return said.splice(0);
}

test("an established session that is lost for more than ten seconds is told once, and that it is back", () => {
  expect(watch(1, look([up]))).toEqual([]);
  expect(watch(11, look([lost]))).toEqual([]);
  expect(watch(20, look([lost]))).toEqual([lostText]);
  expect(watch(2, look([up]))).toEqual([
    "Normal BGPSessionEstablished: BGP session Mesh_10_0_0_2 (10.0.0.2) is established again",
  ]);
});

test("a shorter loss, and a session that never was established, are nobody's news", () => {
  watch(1, look([up]));
  expect([...watch(10, look([lost])), ...watch(5, look([up]))]).toEqual([]);
  const never = session("10.0.0.3", { state: "Connect" });
  expect(watch(60, look([never]))).toEqual([]);
});

test("what an earlier process has last seen established is followed", () => {
  before = ["Mesh_10_0_0_2"];
  expect(watch(12, look([lost]))).toEqual([lostText]);
});

test("a session that is switched off or configured no more is not lost", () => {
  watch(1, look([up, session("10.0.0.3")]));
  expect(watch(30, look([session("10.0.0.2", { state: "Down" })]))).toEqual([]);
});

test("many sessions at once are one event", () => {
  const addresses = Array.from({ length: 40 }, (_, index) => `10.0.0.${index + 2}`);
  watch(1, look(addresses.map((one) => session(one))));
  const events = watch(12, look(addresses.map((one) => session(one, { state: "Idle" }))));
  expect(events).toEqual([expect.stringMatching(/^Warning BGPSessionLost: .*Mesh_10_0_0_6 .*; and 35 more$/)]);
});

test("thirty events a minute are the most; the next says how many were left out", () => {
  const flap = (round: number) => {
    const one = session(`10.0.${round}.2`);
    return [...watch(1, look([one])), ...watch(12, look([{ ...one, state: "Idle" }])), ...watch(1, look([one]))];
  };
  expect(flap(0)).toHaveLength(2);
  const rejections = (count: number) =>
    Array.from(
      { length: count },
      (_, index) => ({ kind: "BGPPeer", name: `p${said.length}-${index}`, reason: "no" }) as const,
    );
  for (let number = 0; number < 40; number++) {
    conditions.looked(
      look([]),
      configured([], [{ kind: "BGPPeer", name: `peer-${number}`, reason: "it has no address" }]),
    );
  }
  expect(said.splice(0)).toHaveLength(28);
  clock.pass(60_000);
  conditions.looked(look([]), configured([], rejections(1)));
  expect(said).toEqual(["Warning BGPObjectRejected: BGPPeer p0-0: no (12 events before it were left out)"]);
});

test("a BIRD that does not answer for so long is one event, and its sessions none", () => {
  watch(1, look([up]));
  expect(watch(11, noBird)).toEqual([]);
  expect(watch(30, noBird)).toEqual(["Warning BGPDaemonDown: BIRD does not answer: nothing listens there"]);
  expect(watch(3, look([lost]))).toEqual(["Normal BGPDaemonUp: BIRD answers again"]);
  expect(watch(10, look([lost]))).toEqual([lostText]);
});

test("held sessions and rejected objects are told once each, and again when they have come back", () => {
  const held = { name: "Node_10_0_0_9", held: "Secret bgp has no key tor" };
  const config = configured([held], [{ kind: "BGPPeer", name: "tor", reason: "it has no address" }]);
  const both = [
    "Warning BGPSessionHeld: BGP session Node_10_0_0_9 is held down: Secret bgp has no key tor",
    "Warning BGPObjectRejected: BGPPeer tor: it has no address",
  ];
  expect(watch(5, look([]), config)).toEqual(both);
  expect(watch(1, look([]), configured([]))).toEqual([]);
  expect(watch(1, look([]), config)).toEqual(both);
});

test("the condition sums the sessions up", () => {
  expect(conditions.condition).toMatchObject({ status: "Unknown", reason: "NotLookedYet" });
  watch(1, look([up]));
  expect(conditions.condition).toEqual({
    ...{ status: "True", reason: "AllEstablished", message: "All 1 sessions are established" },
  });
  const held = session("10.0.0.3", { state: "Down" });
  watch(1, look([lost, held]), configured([{ name: held.name, held: "no password" }]));
  expect(conditions.condition).toEqual({
    ...{ status: "False", reason: "SessionsDown" },
    message: "2 of 2 sessions are not established: Mesh_10_0_0_2, Mesh_10_0_0_3 (held down)",
  });
  watch(1, noBird);
  expect(conditions.condition).toMatchObject({ status: "False", reason: "BirdNotRunning" });
});

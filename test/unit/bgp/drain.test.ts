import { expect, test } from "vitest";
import {
  type DrainFacts,
  drainState,
  formatDrainRequest,
  formatDrainStatus,
  parseDrainRequest,
  parseDrainStatus,
} from "../../../src/bgp/plan/drain.ts";

const facts: DrainFacts = { cordoned: false, request: undefined, announcedMs: undefined, hasPods: true };
const request = { id: "2026-11-22T09:00:00Z", waitS: 30 };

test("a node that nobody asks anything of announces everything", () => {
  expect(drainState(facts)).toEqual({ isDraining: false, withdrawn: "nothing", againMs: undefined });
});

test("a cordoned node is the last choice, and withdraws nothing however long it lasts", () => {
  const cordoned = { ...facts, cordoned: true, announcedMs: 3_600_000, hasPods: false };
  expect(drainState(cordoned)).toEqual({ isDraining: true, withdrawn: "nothing", againMs: undefined });
});

test("one that is asked to drain waits from when it is the last choice, then withdraws Services", () => {
  expect(drainState({ ...facts, request })).toEqual({ isDraining: true, withdrawn: "nothing", againMs: undefined });
  expect(drainState({ ...facts, request, announcedMs: 29_000 })).toEqual({
    ...{ isDraining: true, withdrawn: "nothing", againMs: 1_000 },
  });
  const done = { isDraining: true, withdrawn: "services", againMs: undefined };
  expect(drainState({ ...facts, request, announcedMs: 30_000 })).toEqual(done);
  expect(drainState({ ...facts, request: { ...request, waitS: 0 }, announcedMs: 0 })).toEqual(done);
});

test("pods' networks are withdrawn after the wait, and only while no pod is left", () => {
  const empty = { ...facts, request, hasPods: false };
  expect(drainState({ ...empty, announcedMs: 29_999 }).withdrawn).toBe("nothing");
  expect(drainState({ ...empty, announcedMs: 30_000 }).withdrawn).toBe("everything");
});

test("a request is read as it was written, and any other text is one too", () => {
  expect(parseDrainRequest(formatDrainRequest({ id: "2026-11-22T09:00:00Z", waitS: 90 }))).toEqual({
    ...{ id: "2026-11-22T09:00:00Z", waitS: 90 },
  });
  expect(parseDrainRequest("true")).toEqual({ id: "true", waitS: 30 });
  expect(parseDrainRequest("")).toEqual({ id: "", waitS: 30 });
});

test("a status is read as it was written, and nothing else is one", () => {
  const status = { request: 'a "b"', state: "services withdrawn", since: "2026-11-22T09:00:00.000Z" } as const;
  expect(parseDrainStatus(formatDrainStatus(status))).toEqual(status);
  for (const text of [undefined, "", "{}", "null", '{"state":"gone","since":"","request":""}']) {
    expect(parseDrainStatus(text)).toBeUndefined();
  }
});

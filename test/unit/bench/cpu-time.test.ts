import { expect, test } from "vitest";
import { parseMachineStat, parseProcessStat } from "../../../bench/cpu-time.ts";

test("a process's CPU time is user and kernel time, its ended children's apart, whatever its name", () => {
  const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 500 600 0 0 7 3 20 5 20 0 1 0 100 1000 50";
  expect(parseProcessStat(stat)).toEqual({ own: 100, children: 250 });
});

test("a machine is busy with all but idling and waiting for a disk; guests' time is the user's already", () => {
  const stat = ["cpu  10 20 30 1000 2000 3 4 5 8 0", "cpu0 1 1 1 1 1 1 1 1 1 1", "intr 9"].join("\n");
  expect(parseMachineStat(stat)).toBe(720);
});

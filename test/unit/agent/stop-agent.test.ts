import { pino } from "pino";
import { expect, test } from "vitest";
import { stopAgent } from "../../../src/agent/stop-agent.ts";

function loggerInto(lines: string[]) {
  return pino({}, { write: (line: string) => lines.push(line) });
}

test("an agent that ends exits with 0 and says nothing", async () => {
  const lines: string[] = [];
  expect(await stopAgent({ stop: async () => {} }, loggerInto(lines))).toBe(0);
  expect(lines).toEqual([]);
});

test("an agent that cannot end in good order exits with 1 and says why", async () => {
  const lines: string[] = [];
  const stop = () => Promise.reject(new Error("the socket is stuck"));
  expect(await stopAgent({ stop }, loggerInto(lines))).toBe(1);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 50, err: expect.objectContaining({ message: "the socket is stuck" }) }),
  ]);
});

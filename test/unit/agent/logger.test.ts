import { symbols } from "pino";
import { expect, test } from "vitest";
import { createLogger, watchLogErrors } from "../../../src/agent/logger.ts";

test("what cannot be logged is counted, each time once, and ends nothing", () => {
  const logger = createLogger("error", "node-1");
  let errors = 0;
  watchLogErrors(logger, () => errors++);
  const stream = (logger as unknown as Record<symbol, NodeJS.EventEmitter>)[symbols.streamSym];
  stream?.emit("error", new Error("the disk is full"));
  expect(errors).toBe(1);
  stream?.emit("error", new Error("the disk is full"));
  expect(errors).toBe(2);
});

test("the level may change while it is used", () => {
  const logger = createLogger("error", "node-1");
  expect(logger.isLevelEnabled("debug")).toBe(false);
  logger.level = "debug";
  expect(logger.isLevelEnabled("debug")).toBe(true);
});

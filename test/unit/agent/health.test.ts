import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { bgpHealth, cniHealth, dataplaneHealth, datastoreHealth } from "../../../src/agent/health/agent-health.ts";
import { HealthBoard } from "../../../src/agent/health/health-board.ts";
import { HealthEndpoint } from "../../../src/agent/health/health-endpoint.ts";
import { collectHealth } from "../../../src/agent/health/health-metrics.ts";
import { systemClock } from "../../../src/host/clock.ts";

const idle = { hasApplied: true, runningMs: undefined, failure: undefined };

test("the API server away does not make the node unready once everything was read, but is said", () => {
  expect(datastoreHealth({ isSynced: false, trouble: undefined })).toMatchObject({ live: true, ready: false });
  const away = datastoreHealth({ isSynced: true, trouble: "ECONNREFUSED" });
  expect(away).toMatchObject({ live: true, ready: true });
  expect(away.detail).toContain("the API server does not answer: ECONNREFUSED");
});

test("the dataplane is ready from its first plan on, and not live while one pass runs too long", () => {
  expect(dataplaneHealth({ ...idle, hasApplied: false }, 90_000)).toMatchObject({ live: true, ready: false });
  expect(dataplaneHealth({ ...idle, runningMs: 90_000 }, 90_000)).toMatchObject({ live: true, ready: true });
  const stuck = dataplaneHealth({ ...idle, runningMs: 91_000 }, 90_000);
  expect(stuck).toMatchObject({ live: false, ready: true });
  expect(stuck.detail).toContain("one pass has been running for 91 s, more than 90");
  expect(dataplaneHealth({ ...idle, runningMs: 1e9 }, 0).live, "no watchdog").toBe(true);
  const failing = dataplaneHealth({ ...idle, failure: "no memory" }, 90_000);
  expect([failing.live, failing.ready, failing.detail]).toEqual([true, true, expect.stringContaining("no memory")]);
});

test("the board is as its parts are, and a part that throws is neither live nor ready", () => {
  const board = new HealthBoard();
  expect(board.summary()).toMatchObject({ live: true, ready: true });
  board.register("cni", () => cniHealth(false));
  board.register("bgp", () => bgpHealth(true));
  expect(board.summary()).toMatchObject({ live: true, ready: false });
  expect(board.summary().parts.get("cni")?.detail).toBe("the CNI is not served yet");
  board.register("cni", () => cniHealth(true));
  expect(board.summary()).toMatchObject({ live: true, ready: true });
  board.register("odd", () => {
    throw new Error("oh");
  });
  expect(board.summary()).toMatchObject({ live: false, ready: false });
  expect(board.summary().parts.get("odd")?.detail).toContain("oh");
});

test("/liveness and /readiness name each part, each where it is told to be served, and tell changes once", async () => {
  const board = new HealthBoard();
  let [ready, live] = [false, true];
  board.register("dataplane", () => ({ live, ready, detail: "as it\nis" }));
  const told: string[] = [];
  const logger = pino({}, { write: (line: string) => told.push(JSON.parse(line).msg) });
  const endpoint = new HealthEndpoint({ board, clock: systemClock, logger });
  const [port, other] = [await freePort(), await freePort()];
  const get = async (path: string, at = port) => {
    const answer = await fetch(`http://127.0.0.1:${at}${path}`);
    return [answer.status, await answer.text()];
  };
  endpoint.serveAt({ address: "127.0.0.1", port });
  await expect.poll(() => told).toContain("serves health");
  expect(await get("/readiness")).toEqual([503, "dataplane: live, not ready: as it is\n"]);
  expect(await get("/liveness")).toEqual([200, "dataplane: live, not ready: as it is\n"]);
  ready = true;
  expect(await get("/readiness")).toEqual([200, "dataplane: live, ready: as it is\n"]);
  live = false;
  expect(await get("/liveness")).toEqual([503, "dataplane: not live, ready: as it is\n"]);
  expect((await get("/"))[0]).toBe(404);
  expect(told.filter((line) => line === "the agent's health has changed")).toHaveLength(3);
  endpoint.serveAt({ address: "127.0.0.1", port: other });
  await expect.poll(async () => (await get("/liveness", other).catch(() => [0]))[0]).toBe(503);
  await expect(get("/liveness")).rejects.toThrow();
  endpoint.serveAt(undefined);
  await expect.poll(() => get("/liveness", other).catch(() => "gone")).toBe("gone");
  await endpoint.stop();
});

test("Prometheus is told of each part", async () => {
  const registry = new Registry();
  const board = new HealthBoard();
  board.register("bgp", () => bgpHealth(false));
  collectHealth(registry, board);
  const text = await registry.metrics();
  expect(text).toContain('margay_health_live{part="bgp"} 1');
  expect(text).toContain('margay_health_ready{part="bgp"} 0');
});

// --- internal ---

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

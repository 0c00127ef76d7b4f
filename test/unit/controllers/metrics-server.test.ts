import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { MetricsServer } from "../../../src/controllers/metrics/metrics-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

const address = "127.0.0.1";
const metric = { name: "answer", help: "Of everything.", type: "gauge", labels: [] } as const;
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

test("serves metrics, and health as it is at the moment", async () => {
  const { server, state } = make();
  const port = await freePort();
  server.follow({ metricsPort: port, healthChecks: true });
  await vi.waitFor(async () => expect(await get(port, "/metrics")).toMatchObject({ status: 200 }));
  const found = await get(port, "/metrics");
  expect(found.type).toContain("version=0.0.4");
  expect(found.text).toContain("answer 42");
  expect(await get(port, "/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  state.fault = "It does not breathe";
  expect(await get(port, "/healthz")).toMatchObject({ status: 503, text: "It does not breathe\n" });
  expect(await get(port, "/other")).toMatchObject({ status: 404 });
});

test("health is not told when it is switched off, and is again at once", async () => {
  const { server } = make();
  const port = await freePort();
  server.follow({ metricsPort: port, healthChecks: false });
  await vi.waitFor(async () => expect(await get(port, "/metrics")).toMatchObject({ status: 200 }));
  expect(await get(port, "/healthz")).toMatchObject({ status: 404 });
  server.follow({ metricsPort: port, healthChecks: true });
  expect(await get(port, "/healthz")).toMatchObject({ status: 200 });
});

test("follows the port, and serves nothing on port 0", async () => {
  const { server } = make();
  const [first, second] = [await freePort(), await freePort()];
  server.follow({ metricsPort: first, healthChecks: true });
  await vi.waitFor(() => get(first, "/metrics"));
  server.follow({ metricsPort: second, healthChecks: true });
  await vi.waitFor(() => get(second, "/metrics"));
  await expect(get(first, "/metrics")).rejects.toThrow();
  server.follow({ metricsPort: 0, healthChecks: true });
  await vi.waitFor(() => expect(get(second, "/metrics")).rejects.toThrow());
});

test("says once of each port that another has, and serves there when it is free", async () => {
  const { server, errors, again, clock } = make();
  const [{ port: other }, { holder, port }] = [await hold(), await hold()];
  server.follow({ metricsPort: other, healthChecks: true });
  await vi.waitFor(() => expect(clock.slept.length).toBeGreaterThan(5));
  server.follow({ metricsPort: port, healthChecks: true });
  await vi.waitFor(() => expect(errors()).toHaveLength(2));
  expect(errors()[1]).toMatch(
    new RegExp(`^Cannot serve metrics and health on 127.0.0.1 port ${port}: .*EADDRINUSE.*prometheusMetricsPort`),
  );
  const before = again();
  await vi.waitFor(() => {
    clock.wake();
    expect(again()).toBeGreaterThan(before);
  });
  holder.close();
  await once(holder, "close");
  await vi.waitFor(() => {
    clock.wake();
    return get(port, "/metrics");
  });
  expect(errors()).toHaveLength(2);
});

test("a port that another has does not keep it from the next", async () => {
  const { server, clock } = make();
  const [{ port: taken }, port] = [await hold(), await freePort()];
  server.follow({ metricsPort: taken, healthChecks: true });
  // The pause grows until no short sleep ends it.
  await vi.waitFor(() => expect(clock.slept.length).toBeGreaterThan(5));
  server.follow({ metricsPort: port, healthChecks: true });
  await vi.waitFor(() => get(port, "/metrics"));
});

test("a figure that cannot be taken is a failure of that answer alone", async () => {
  const { server, state } = make();
  const port = await freePort();
  server.follow({ metricsPort: port, healthChecks: true });
  await vi.waitFor(() => get(port, "/metrics"));
  state.failure = new Error("Cannot count");
  expect(await get(port, "/metrics")).toMatchObject({ status: 500, text: "Cannot count\n" });
  state.failure = undefined;
  expect(await get(port, "/metrics")).toMatchObject({ status: 200 });
});

// --- internal ---

function make() {
  const state = { fault: undefined as string | undefined, failure: undefined as Error | undefined };
  const [debug, error] = [vi.fn(), vi.fn()];
  const clock = testClock();
  const server = new MetricsServer({
    address,
    metrics: () => {
      if (state.failure !== undefined) throw state.failure;
      return [{ ...metric, samples: [{ labels: {}, value: 42 }] }];
    },
    fault: () => state.fault,
    clock,
    logger: { debug, info() {}, warn() {}, error },
  });
  ends.push(() => server.stop());
  const errors = () => error.mock.calls.map(([, message]) => message as string);
  /** How often a failure was not worth telling again. */
  const again = () => debug.mock.calls.length;
  return { server, state, errors, again, clock };
}

async function get(port: number, path: string) {
  const answer = await fetch(`http://${address}:${port}${path}`);
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
}

async function hold(): Promise<{ readonly holder: Server; readonly port: number }> {
  const holder = createServer().listen(0, address);
  await once(holder, "listening");
  ends.push(async () => holder.close());
  return { holder, port: (holder.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  const { holder, port } = await hold();
  holder.close();
  await once(holder, "close");
  return port;
}

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { expect, test } from "vitest";
import { AgentMetrics } from "../../../src/agent/metrics/agent-metrics.ts";
import { MetricsEndpoint } from "../../../src/agent/metrics/metrics-endpoint.ts";
import { systemClock } from "../../../src/host/clock.ts";

const count = (value: number) => async () => value;

let rejected: ReadonlyMap<string, number> = new Map();

function metricsOf(attachments = count(3)): AgentMetrics {
  return new AgentMetrics({
    ...{ attachments, spooledRequests: count(1), owedReleases: count(2), closedPolicies: count(4) },
    rejectedObjects: () => rejected,
  });
}

test("requests are counted by verb, result and code, and waits in seconds", async () => {
  const metrics = metricsOf();
  const add = { program: "calico", verb: "ADD", ms: 20, code: 0 };
  for (const request of [add, { ...add, ms: 3000, code: 11 }, { ...add, verb: "DEL", ms: 4 }])
    metrics.answered(request);
  metrics.answered({ ...add, verb: 'x"\n', code: 4 });
  metrics.policyAwaited(30);
  const { text } = await metrics.print();
  for (const line of [
    'margay_cni_add_seconds_bucket{le="0.025",result="success"} 1',
    'margay_cni_add_seconds_bucket{le="2.5",result="error"} 0',
    'margay_cni_add_seconds_count{result="error"} 1',
    'margay_cni_del_seconds_bucket{le="0.005",result="success"} 1',
    "margay_cni_policy_wait_seconds_sum 0.03",
    'margay_cni_errors_total{verb="ADD",code="11"} 1',
    'margay_cni_errors_total{verb="other",code="4"} 1',
    "margay_cni_attachments 3",
    "margay_cni_spooled_requests 1",
    "margay_cni_owed_releases 2",
    "margay_closed_policies 4",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("objects that cannot be read are counted by kind, and no more once they can be read", async () => {
  const metrics = metricsOf();
  rejected = new Map([["Tier", 2]]);
  expect((await metrics.print()).text).toContain('margay_rejected_objects{kind="Tier"} 2');
  rejected = new Map();
  expect((await metrics.print()).text).not.toContain('kind="Tier"');
});

test("are served where they are asked for, and a figure that cannot be had is an error", async () => {
  const port = await freePort();
  let isBroken = false;
  const metrics = metricsOf(async () => {
    if (isBroken) throw new Error("the disk is gone");
    return 3;
  });
  const endpoint = endpointOf(port, metrics);
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  await expect.poll(async () => (await get("/metrics")).status).toBe(200);
  const answer = await get("/metrics");
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await answer.text()).toContain("margay_cni_attachments 3");
  expect((await get("/")).status).toBe(404);
  isBroken = true;
  const broken = await get("/metrics");
  expect([broken.status, await broken.text()]).toEqual([500, "the disk is gone\n"]);
  await endpoint.stop();
  await expect(get("/metrics")).rejects.toThrow();
});

test("a port that another has is reported, and taken once it is free", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const told: string[] = [];
  const endpoint = endpointOf(port, metricsOf(), told);
  await expect.poll(() => told).toEqual([expect.stringContaining(`Cannot serve metrics on 127.0.0.1 port ${port}`)]);
  await new Promise((resolve) => other.close(resolve));
  await expect.poll(() => told, { timeout: 5_000 }).toContain("serves metrics");
  await endpoint.stop();
});

test("port 0 serves nothing", async () => {
  const told: string[] = [];
  const endpoint = endpointOf(0, metricsOf(), told);
  await endpoint.stop();
  expect(told).toEqual([]);
});

// --- internal ---

function endpointOf(port: number, metrics: AgentMetrics, told: string[] = []): MetricsEndpoint {
  const logger = pino({}, { write: (line: string) => told.push(JSON.parse(line).msg) });
  const endpoint = new MetricsEndpoint({ metrics, clock: systemClock, logger });
  endpoint.serveAt({ address: "127.0.0.1", port });
  return endpoint;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

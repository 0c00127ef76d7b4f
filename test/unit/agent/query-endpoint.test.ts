import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { connect } from "node:tls";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { QueryEndpoint } from "../../../src/agent/query-endpoint.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { stubClient } from "../../fakes/stub-client.ts";

const node = "node-1" as NodeName;
const patience = { timeout: 10_000 };

let nodes: Map<NodeName, Node>;
let published: Record<string, string | null>;
let port: number;
let endpoint: QueryEndpoint;

beforeEach(async () => {
  nodes = new Map();
  port = await freePort();
  const client = stubClient((_request, body) => {
    published = (body as { metadata: { annotations: typeof published } }).metadata.annotations;
    return {};
  });
  const none = { listWhole: async () => [] };
  const openNetlink = () => {
    throw new Error("nobody asks");
  };
  endpoint = new QueryEndpoint({
    ...{ node, port, client, snapshot: { node: nodes }, host: new LinuxHost(), clock: systemClock },
    policiesInForce: () => undefined,
    sources: { attachments: none, leases: none, openNetlink, interfacePrefix: "cali" },
    logger: pino({ level: "silent" }),
  });
});

afterEach(() => endpoint.stop());

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const found = (server.address() as AddressInfo).port;
      server.close(() => resolve(found));
    });
  });
}

function setAddress(...ips: readonly string[]): void {
  nodes.set(node, { name: node, labels: {}, annotations: {}, internalIps: ips.map(parseIp), podCidrs: [] });
  endpoint.touched();
}

/** Whether a TLS server answers there with the published certificate. */
function answersAt(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const ca = published["query.margay.io/certificate"] ?? "";
    const socket = connect({ host, port, ca, servername: "margay-agent" });
    socket.once("secureConnect", () => resolve(socket.end() !== undefined));
    socket.once("error", () => resolve(false));
  });
}

const url = () => published["query.margay.io/endpoint"];

test("listens on the Node's first InternalIP only, and follows it", async () => {
  endpoint.start();
  await expect.poll(() => published, patience).toMatchObject({ "query.margay.io/endpoint": null });
  setAddress("127.0.0.2", "127.0.0.3");
  await expect.poll(url, patience).toBe(`https://127.0.0.2:${port}`);
  expect(await answersAt("127.0.0.2")).toBe(true);
  expect(await answersAt("127.0.0.1")).toBe(false);
  setAddress("127.0.0.3");
  await expect.poll(url, patience).toBe(`https://127.0.0.3:${port}`);
  expect(await answersAt("127.0.0.3")).toBe(true);
  expect(await answersAt("127.0.0.2")).toBe(false);
  nodes.clear();
  endpoint.touched();
  expect(await answersAt("127.0.0.3")).toBe(true);
  await endpoint.stop();
  expect(await answersAt("127.0.0.3")).toBe(false);
});

test("a port that is taken is tried again, while the Lease says that the agent lives", async () => {
  const taken = createServer().listen(port, "127.0.0.2");
  await new Promise((resolve) => taken.once("listening", resolve));
  setAddress("127.0.0.2");
  endpoint.start();
  await expect.poll(() => published, patience).toMatchObject({ "query.margay.io/endpoint": null });
  await new Promise((resolve) => taken.close(resolve));
  await expect.poll(url, patience).toBe(`https://127.0.0.2:${port}`);
});

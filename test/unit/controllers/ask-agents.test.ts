import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { pino } from "pino";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makeQueryServer } from "../../../src/agent/query-server.ts";
import type { TokenVerdict } from "../../../src/agent/token-check.ts";
import { bgpPath } from "../../../src/api/bgp-query.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../../src/api/names.ts";
import type { AddressUse, PolicyInForce } from "../../../src/api/node-query.ts";
import type { Lease, Node } from "../../../src/api/objects.ts";
import { AskAgents } from "../../../src/controllers/ask-agents.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { type KeyPair, makeSelfSigned } from "../../../src/host/self-signed.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const node = "node-1" as NodeName;
const use: AddressUse = { ip: parseIp("192.168.0.1"), kind: "route", interface: "cali1", namespace: "host" };
const clock = testClock();

let keyPair: KeyPair;
let other: KeyPair;
let server: ReturnType<typeof makeQueryServer>;
let tokens: string[];
let verdict: (token: string) => TokenVerdict;
let answering: NodeName;
let asked: (readonly Ip[] | undefined)[];
let issued: number;
let endpoint: string;
let leases: Map<NamespacedName, Lease>;
let nodes: Map<NodeName, Node>;
let agents: AskAgents;

beforeAll(async () => {
  [keyPair, other] = await Promise.all([
    makeSelfSigned(new LinuxHost(), "margay-agent"),
    makeSelfSigned(new LinuxHost(), "margay-agent"),
  ]);
});

const policy: PolicyInForce = {
  ...{ id: "np/shop/web", tier: "default", staged: false, uid: "u-1", generation: 3, endpoints: 2 },
  problems: [],
};

test("asks which policies a node's kernel holds", async () => {
  expect(await agents.policiesInForce(node)).toEqual({ node, pending: true, policies: [policy] });
});

test("asks how a node's BGP stands", async () => {
  const query = { peer: parseIp("10.0.0.2"), history: 5, routes: false };
  expect(await agents.bgp(node, query)).toEqual({
    ...{ node, at: 1, trouble: JSON.stringify(query), reconfigurations: 0, pending: [] },
    ...{ sessions: [], rejected: [], history: [] },
  });
});

beforeEach(async () => {
  [tokens, asked, issued, answering] = [[], [], 0, node];
  verdict = () => "allowed";
  server = serverOf();
  await server.listen({ host: "127.0.0.1", port: 0 });
  endpoint = `https://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  [leases, nodes] = [new Map(), new Map()];
  publish({ endpoint, certificate: keyPair.certificate });
  setInternalIps("127.0.0.1");
  const client = stubClient((request, body) => {
    expect(request).toBe("POST /api/v1/namespaces/margay-system/serviceaccounts/margay-controllers/token");
    expect(body).toMatchObject({ spec: { audiences: ["margay-agent"], expirationSeconds: 600 } });
    return { status: { token: `token-${++issued}` } };
  });
  agents = new AskAgents({ client, snapshot: { lease: leases, node: nodes }, clock });
});

afterEach(() => server.close());

function serverOf() {
  return makeQueryServer({
    get node() {
      return answering;
    },
    policiesInForce: () => ({ pending: true, policies: [policy] }),
    questions: {
      [bgpPath]: async (body) => ({
        ...{
          at: 1,
          trouble: JSON.stringify(body),
          reconfigurations: 0,
          pending: [],
          sessions: [],
          rejected: [],
          history: [],
        },
      }),
    },
    keyPair,
    tokens: {
      verdict: async (token) => {
        tokens.push(token);
        return verdict(token);
      },
    },
    addressUses: async (ips) => {
      asked.push(ips);
      return [use];
    },
    logger: pino({ level: "silent" }),
  });
}

function publish(said: { readonly endpoint?: string; readonly certificate?: string }): void {
  const annotations = Object.fromEntries(Object.entries(said).map(([key, value]) => [`query.margay.io/${key}`, value]));
  const name = `margay-agent.${node}`;
  const lease = { namespace: "margay-system", name, annotations, holder: node, renewTime: undefined };
  leases.set(namespacedName("margay-system", name), lease);
}

function setInternalIps(...ips: readonly string[]): void {
  nodes.set(node, { name: node, labels: {}, annotations: {}, internalIps: ips.map(parseIp), podCidrs: [] });
}

const ask = (signal?: AbortSignal) => agents.addressesInUse(node, undefined, signal);

test("asks where the agent's Lease says, for all addresses or for some", async () => {
  expect(await ask()).toEqual([use]);
  expect(await agents.addressesInUse(node, [parseIp("2001:db8::1")])).toEqual([use]);
  expect(asked).toEqual([undefined, ["2001:db8::1"]]);
});

test("a token is used again until it is about to end", async () => {
  await Promise.all([ask(), ask()]);
  clock.pass(479_000);
  await ask();
  expect(new Set(tokens)).toEqual(new Set(["token-1"]));
  clock.pass(2_000);
  await ask();
  expect(tokens.at(-1)).toBe("token-2");
});

test("a token that the agent does not accept is replaced once", async () => {
  verdict = (token) => (token === "token-1" ? "unknown" : "allowed");
  expect(await ask()).toEqual([use]);
  verdict = () => "unknown";
  await expect(ask()).rejects.toThrow("Cannot ask the agent of node node-1: it answered 401: ");
  expect(tokens).toEqual(["token-1", "token-2", "token-2", "token-3"]);
});

test("a refusal and a failure there are no answer", async () => {
  verdict = () => "forbidden";
  await expect(ask()).rejects.toThrow("it answered 403");
  verdict = () => {
    throw new Error("no API server");
  };
  await expect(ask()).rejects.toThrow("it answered 503");
});

test("trusts only the certificate that the agent has published", async () => {
  publish({ endpoint, certificate: other.certificate });
  await expect(ask()).rejects.toThrow(/Cannot ask the agent of node node-1: .*self-signed certificate/);
  expect(tokens).toEqual([]);
});

test("asks nobody but the node's own address while the Node exists", async () => {
  setInternalIps("172.18.1.11", "fd00::11");
  await expect(ask()).rejects.toThrow("it names 127.0.0.1 in its Lease, which is no InternalIP of the Node");
  expect(tokens).toEqual([]);
  nodes.clear();
  expect(await ask()).toEqual([use]);
});

test.each([
  "http://127.0.0.1:9095",
  "https://localhost:9095",
  "https://127.0.0.1:9095/path",
  "https://user@127.0.0.1:9095",
  "nonsense",
])("refuses the endpoint %s", async (text) => {
  publish({ endpoint: text, certificate: keyPair.certificate });
  await expect(ask()).rejects.toThrow("which is not https://ADDRESS:PORT");
  expect(issued).toBe(0);
});

test("says what is missing", async () => {
  publish({});
  await expect(ask()).rejects.toThrow("its Lease margay-system/margay-agent.node-1 names no endpoint yet");
  leases.clear();
  await expect(ask()).rejects.toThrow("it has no Lease margay-system/margay-agent.node-1");
});

test("an answer for another node does not count", async () => {
  answering = "node-2" as NodeName;
  await expect(ask()).rejects.toThrow("answers for node node-2");
});

test.each(["no JSON", "{}", '{"node":"node-1","uses":[{"ip":"x"}]}'])("%s is no answer", async (body) => {
  const odd = createServer({ key: keyPair.key, cert: keyPair.certificate }, (_request, response) => response.end(body));
  await new Promise<void>((resolve) => odd.listen(0, "127.0.0.1", resolve));
  publish({
    endpoint: `https://127.0.0.1:${(odd.address() as AddressInfo).port}`,
    certificate: keyPair.certificate,
  });
  await expect(ask()).rejects.toThrow(/^Cannot ask the agent of node node-1: /);
  odd.closeAllConnections();
  await new Promise((resolve) => odd.close(resolve));
});

test("an answer that is cut is no answer, and an agent that is away none either", async () => {
  const body = '{"node":"node-1","uses":[';
  const cut = createServer({ key: keyPair.key, cert: keyPair.certificate }, (_request, response) => {
    response.writeHead(200, { "content-length": 1000 });
    response.write(body, () => response.destroy());
  });
  await new Promise<void>((resolve) => cut.listen(0, "127.0.0.1", resolve));
  const port = (cut.address() as AddressInfo).port;
  publish({ endpoint: `https://127.0.0.1:${port}`, certificate: keyPair.certificate });
  await expect(ask()).rejects.toThrow(/^Cannot ask the agent of node node-1: /);
  await new Promise((resolve) => cut.close(resolve));
  await expect(ask()).rejects.toThrow(/ECONNREFUSED/);
});

test("whoever asks may give up, and hears its own reason", async () => {
  const silent = createTcpServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const port = (silent.address() as AddressInfo).port;
  publish({ endpoint: `https://127.0.0.1:${port}`, certificate: keyPair.certificate });
  const controller = new AbortController();
  const asking = ask(controller.signal);
  const reason = new Error("leads no more");
  silent.once("connection", () => controller.abort(reason));
  await expect(asking).rejects.toBe(reason);
  silent.close();
});

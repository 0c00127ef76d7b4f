import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makeAuthority, makeClientPair } from "../../../lab/certificates.ts";
import type { BgpSide } from "../../../src/api/bgp-probe.ts";
import type { BgpAnswer, BgpQuery } from "../../../src/api/bgp-query.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { AddressUse, PolicyInForce } from "../../../src/api/node-query.ts";
import type { Node } from "../../../src/api/objects.ts";
import type { Agents } from "../../../src/controllers/agents.ts";
import { QueryApi } from "../../../src/controllers/query-api/query-api.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { makeSelfSigned } from "../../../src/host/self-signed.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const path = "/apis/query.margay.io/v1/nodeaddresses";
const secretPath = "/api/v1/namespaces/margay-system/secrets/margay-query-tls";
const configMapPath = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const apiServicePath = "/apis/apiregistration.k8s.io/v1/apiservices/v1.query.margay.io";
const uses: readonly AddressUse[] = [
  { ip: parseIp("192.168.0.10"), kind: "route", interface: "cali1", namespace: "host", pod: "shop/web" },
  { ip: parseIp("192.168.0.9"), kind: "interface", interface: "eth0", namespace: "net:[1]" },
];

const policies: readonly PolicyInForce[] = [
  { id: "np/shop/web", tier: "default", staged: false, uid: "u-1", generation: 3, endpoints: 2, problems: ["no"] },
];

let folder: string;
let trusted: { readonly certificate: string; readonly clients: Readonly<Record<string, Credentials>> };
let stranger: Credentials;

interface Credentials {
  readonly cert: Buffer;
  readonly key: Buffer;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "margay-query-api-"));
  const [authority, elsewhere] = await Promise.all([
    makeAuthority(join(folder, "front")),
    makeAuthority(join(folder, "elsewhere")),
  ]);
  const client = async (by: typeof authority, user: string) => {
    const { certificate, key } = await makeClientPair(by, user, { user });
    return { cert: readFileSync(certificate), key: readFileSync(key) };
  };
  trusted = {
    certificate: readFileSync(authority.certificate, "utf8"),
    clients: { proxy: await client(authority, "front-proxy"), another: await client(authority, "another") },
  };
  stranger = await client(elsewhere, "front-proxy");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the API server holds and decides; a test changes it. */
let cluster: {
  authentication: Record<string, string>;
  secret: Record<string, unknown>;
  caBundle: string | undefined;
  allows: (spec: unknown) => unknown;
  reviewed: unknown[];
};
let addressesInUse: (node: NodeName, ips: readonly Ip[] | undefined) => Promise<readonly AddressUse[]>;
const policiesInForce: Agents["policiesInForce"] = async (node) => ({ node, pending: false, policies });
const bgpAsked: BgpQuery[] = [];
const bgpOf = (node: NodeName): BgpAnswer => ({
  ...{
    node,
    at: 61_000,
    trouble: "nothing listens there",
    reconfigurations: 2,
    pending: [],
    rejected: [],
    history: [],
  },
  sessions: [
    {
      ...{ name: "Mesh_10_0_0_2", kind: "mesh", neighbor: parseIp("10.0.0.2"), neighborNode: "node-2" },
      ...{ state: "Established", since: 1_000, imported: 3, exported: 4, flaps: 1, lastError: "Socket: Timed out" },
      ...{ keepsOurRoutes: true, neighborRestarts: false },
    },
  ],
});
const probesAsked: (readonly Ip[])[] = [];
const sideOf = (node: NodeName): BgpSide => ({
  ...{ node, at: 5, daemon: "running", listenPort: 179, isMeshEnabled: true, addresses: [], rejected: [] },
  sessions: [{ neighbor: parseIp("10.0.0.2"), kept: false, history: [] }],
});
const probeBgp: Agents["probeBgp"] = async (node, { peers }) => {
  probesAsked.push(peers);
  return sideOf(node);
};
const bgp: Agents["bgp"] = async (node, query) => {
  bgpAsked.push(query);
  return bgpOf(node);
};
let api: QueryApi;
let port: number;
const clock = testClock();
const logger = pino({ level: "silent" });

const client = stubClient((sent, body) => {
  const given = body as { data?: Record<string, string>; spec: { caBundle?: string } };
  if (sent === `GET ${configMapPath}`) return { data: cluster.authentication };
  if (sent === `GET ${secretPath}`) return cluster.secret;
  if (sent === `PUT ${secretPath}`) {
    cluster.secret = given;
    return given;
  }
  if (sent === `GET ${apiServicePath}`) return { spec: { caBundle: cluster.caBundle } };
  if (sent === `PATCH ${apiServicePath}`) {
    cluster.caBundle = given.spec.caBundle;
    return {};
  }
  expect(sent).toBe("POST /apis/authorization.k8s.io/v1/subjectaccessreviews");
  cluster.reviewed.push(given.spec);
  return { status: cluster.allows(given.spec) };
});

beforeEach(async () => {
  cluster = {
    authentication: {
      "requestheader-client-ca-file": trusted.certificate,
      "requestheader-allowed-names": '["front-proxy"]',
      "requestheader-username-headers": '["X-Remote-User"]',
      "requestheader-group-headers": '["X-Remote-Group"]',
      "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    },
    secret: { metadata: { resourceVersion: "1" } },
    caBundle: undefined,
    allows: () => ({ allowed: true }),
    reviewed: [],
  };
  addressesInUse = async (_node, ips) => uses.filter(({ ip }) => ips?.includes(ip) ?? true);
  port = await freePort();
  const node = {
    name: "node-1" as NodeName,
    labels: {},
    annotations: {},
    internalIps: [],
    podCidrs: [],
  } satisfies Node;
  api = new QueryApi({
    ...{ client, host: new LinuxHost(), clock, logger, address: "127.0.0.1", port },
    snapshot: { node: new Map([[node.name, node]]), lease: new Map() },
    agents: { addressesInUse: (name, ips) => addressesInUse(name, ips), policiesInForce, bgp, probeBgp },
  });
  api.start();
  await expect.poll(() => cluster.caBundle).toBeDefined();
});

afterEach(() => api.stop());

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const found = (server.address() as AddressInfo).port;
      server.close(() => resolve(found));
    });
  });
}

interface Asked {
  readonly as?: Credentials | undefined;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly method?: string;
}

async function ask(what: string, { as = trusted.clients["proxy"], headers, method = "GET" }: Asked = {}) {
  const sent = request({
    ...{ host: "127.0.0.1", port, path: what, method, agent: false, ...as },
    ...{ ca: Buffer.from(cluster.caBundle ?? "", "base64"), servername: "margay-query.margay-system.svc" },
    headers: { "x-remote-user": "alice", ...headers } as Record<string, string>,
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; said: unknown }>();
  sent.once("response", (response) =>
    text(response).then((said) => {
      resolve({ status: response.statusCode, said: said.startsWith("{") ? JSON.parse(said) : said });
    }, reject),
  );
  sent.once("error", reject);
  sent.end();
  return promise;
}

function status(code: number, reason: string, message: string) {
  return {
    status: code,
    said: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code },
  };
}

test("answers with the node's addresses, as an object or as a table, all or those asked for", async () => {
  const object = { kind: "NodeAddresses", apiVersion: "query.margay.io/v1", metadata: { name: "node-1" } };
  expect(await ask(`${path}/node-1`)).toEqual({ status: 200, said: { ...object, addresses: uses.toReversed() } });
  expect(await ask(`${path}/node-1?ip=192.168.0.9&ip=192.168.0.8`)).toMatchObject({
    said: { addresses: [uses[1]] },
  });
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  expect(await ask(`${path}/node-1`, { headers: { accept } })).toMatchObject({
    said: {
      kind: "Table",
      columnDefinitions: ["Address", "Kind", "Interface", "Namespace", "Pod"].map((name) => ({ name })),
      rows: [
        { cells: ["192.168.0.9", "interface", "eth0", "net:[1]", ""] },
        { cells: ["192.168.0.10", "route", "cali1", "host", "shop/web"] },
      ],
    },
  });
});

test("authorises each question for the user, groups and extras that the API server names", async () => {
  const headers = {
    "x-remote-group": ["system:authenticated", "network, team"],
    "x-remote-extra-example.com%2fscope": ["a", "b"],
  };
  await ask(`${path}/node-1`, { headers });
  expect(cluster.reviewed).toEqual([
    {
      user: "alice",
      groups: ["system:authenticated", "network, team"],
      extra: { "example.com/scope": ["a", "b"] },
      resourceAttributes: {
        ...{ group: "query.margay.io", version: "v1", resource: "nodeaddresses", verb: "get", name: "node-1" },
      },
    },
  ]);
});

test("refuses whom the API server does not allow, before anything is asked", async () => {
  addressesInUse = () => Promise.reject(new Error("asked"));
  const message = 'nodeaddresses.query.margay.io "node-1" is forbidden: User "alice" cannot get it';
  for (const answer of [{ allowed: false }, {}, { allowed: true, denied: true }]) {
    cluster.allows = () => answer;
    expect(await ask(`${path}/node-1`)).toEqual(status(403, "Forbidden", message));
  }
  cluster.allows = () => {
    throw new Error("no answer");
  };
  expect(await ask(`${path}/node-1`)).toMatchObject({ status: 503 });
});

test.each(["no certificate", "another's authority", "another name"] as const)("%s gets health only", async (which) => {
  const as = {
    "no certificate": {} as Credentials,
    "another's authority": stranger,
    "another name": trusted.clients["another"],
  }[which];
  for (const what of [`${path}/node-1`, path, "/apis", "/apis/query.margay.io/v1", "/nothing"]) {
    expect(await ask(what, { as })).toMatchObject({ status: 401, said: { reason: "Unauthorized" } });
  }
  expect(await ask("/readyz", { as })).toEqual({ status: 200, said: "ok" });
  expect(cluster.reviewed).toEqual([]);
});

test("refuses a request that names no user", async () => {
  expect(await ask(`${path}/node-1`, { headers: { "x-remote-user": "" } })).toMatchObject({ status: 401 });
});

test("tells refusals as the API server does", async () => {
  expect(await ask(`${path}/node-9`)).toEqual(
    status(404, "NotFound", 'nodeaddresses.query.margay.io "node-9" not found: there is no such node'),
  );
  expect(await ask(`${path}/node-1?ip=x`)).toMatchObject({ status: 400, said: { reason: "BadRequest" } });
  expect(await ask(path)).toMatchObject({ status: 405, said: { reason: "MethodNotAllowed" } });
  expect(await ask(`${path}/node-1`, { method: "DELETE" })).toMatchObject({ status: 405 });
  expect(await ask("/openapi/v2")).toMatchObject({ status: 404, said: { kind: "Status" } });
  addressesInUse = () => Promise.reject(new Error("Cannot ask the agent of node node-1: it is away"));
  expect(await ask(`${path}/node-1`)).toEqual(
    status(503, "ServiceUnavailable", "Cannot ask the agent of node node-1: it is away"),
  );
});

test("says what there is", async () => {
  expect(await ask("/apis/query.margay.io/v1")).toMatchObject({
    status: 200,
    said: {
      kind: "APIResourceList",
      resources: [
        { name: "nodeaddresses", kind: "NodeAddresses", verbs: ["get"] },
        { name: "nodepolicies", verbs: ["get"] },
        { name: "nodebgp", kind: "NodeBgp", verbs: ["get"] },
        { name: "nodebgpprobes", kind: "NodeBgpProbes", verbs: ["get"] },
      ],
    },
  });
  expect(await ask("/apis")).toMatchObject({ said: { groups: [{ name: "query.margay.io" }] } });
});

test("another authority, names or certificate are taken over without a restart", async () => {
  const made = await makeSelfSigned(new LinuxHost(), "margay-query.margay-system.svc");
  cluster.secret = { data: { "tls.crt": base64(made.certificate), "tls.key": base64(made.key) } };
  cluster.authentication = { ...cluster.authentication, "requestheader-allowed-names": '["another"]' };
  clock.wake();
  await expect.poll(() => cluster.caBundle).toBe(base64(made.certificate));
  expect(await ask(`${path}/node-1`)).toMatchObject({ status: 401 });
  expect(await ask(`${path}/node-1`, { as: trusted.clients["another"] })).toMatchObject({ status: 200 });
});

test("policies in force are told of a node, and authorised by their own resource", async () => {
  const policiesPath = path.replace("nodeaddresses", "nodepolicies");
  const { status, said } = await ask(`${policiesPath}/node-1`);
  expect({ status, said }).toEqual({
    status: 200,
    said: {
      ...{ kind: "NodePolicies", apiVersion: "query.margay.io/v1", metadata: { name: "node-1" } },
      ...{ pending: false, policies },
    },
  });
  expect(cluster.reviewed.at(-1)).toMatchObject({ resourceAttributes: { resource: "nodepolicies", name: "node-1" } });
  cluster.allows = () => ({ allowed: false });
  expect(await ask(`${policiesPath}/node-1`)).toMatchObject({ status: 403 });
});

test("a node's end of its BGP sessions, probed for those neighbours that are named", async () => {
  const probePath = `${path.replace("nodeaddresses", "nodebgpprobes")}/node-1`;
  const { node, ...fields } = sideOf("node-1" as NodeName);
  expect((await ask(`${probePath}?peer=10.0.0.2,fd00::2`)).said).toMatchObject({ metadata: { name: node }, ...fields });
  await ask(probePath);
  expect(probesAsked.splice(0)).toEqual([["10.0.0.2", "fd00::2"], []]);
  for (const peer of ["node-2", Array(65).fill("10.0.0.2").join(",")]) {
    expect(await ask(`${probePath}?peer=${peer}`)).toMatchObject({ status: 400 });
  }
});

test("a node's BGP is told, of one neighbour and with history and routes if they are asked for", async () => {
  const bgpPath = path.replace("nodeaddresses", "nodebgp");
  const { node, ...fields } = bgpOf("node-1" as NodeName);
  expect(await ask(`${bgpPath}/node-1?peer=10.0.0.2&history=20&routes=true`)).toEqual({
    status: 200,
    said: { kind: "NodeBgp", apiVersion: "query.margay.io/v1", metadata: { name: node }, ...fields },
  });
  await ask(`${bgpPath}/node-1`);
  expect(bgpAsked.splice(0)).toEqual([
    { peer: "10.0.0.2", history: 20, routes: true },
    { peer: undefined, history: 0, routes: false },
  ]);
  const { said } = await ask(`${bgpPath}/node-1`, { headers: { accept: "application/json;as=Table;v=v1" } });
  const rows = (said as { rows: readonly { cells: unknown }[] }).rows;
  expect(rows.map(({ cells }) => cells)).toEqual([
    ["10.0.0.2", "node-2", "mesh", "Established", "60s", 3, 4, "Socket: Timed out"],
  ]);
  for (const query of ["peer=everybody", "history=-1", "history=many", "routes=perhaps"]) {
    expect(await ask(`${bgpPath}/node-1?${query}`)).toMatchObject({ status: 400 });
  }
  expect(cluster.reviewed.at(-1)).toMatchObject({ resourceAttributes: { resource: "nodebgp", name: "node-1" } });
  cluster.allows = () => ({ allowed: false });
  expect(await ask(`${bgpPath}/node-1`)).toMatchObject({ status: 403 });
});

test("names that cannot be read let nobody in", async () => {
  cluster.authentication = { ...cluster.authentication, "requestheader-allowed-names": "[front-proxy" };
  await api.stop();
  const later = new QueryApi({
    ...{ client, host: new LinuxHost(), clock, logger, address: "127.0.0.1", port },
    ...{ snapshot: { node: new Map(), lease: new Map() }, agents: { addressesInUse, policiesInForce, bgp, probeBgp } },
  });
  later.start();
  const before = client.sent.length;
  await expect.poll(() => client.sent.length).toBeGreaterThan(before + 3);
  await expect(ask("/readyz")).rejects.toThrow("ECONNREFUSED");
  await later.stop();
});

test("of several processes that fill the Secret one wins, and the others serve with its certificate", async () => {
  await api.stop();
  const winner = await makeSelfSigned(new LinuxHost(), "margay-query.margay-system.svc");
  let isFirst = true;
  const racing = stubClient((sent, body, options) => {
    if (sent === `PUT ${secretPath}` && isFirst) {
      isFirst = false;
      cluster.secret = { data: { "tls.crt": base64(winner.certificate), "tls.key": base64(winner.key) } };
      throw new KubeError("write", 409, "Conflict", "the object has been modified");
    }
    const [method = "", path = ""] = sent.split(" ");
    if (method === "PATCH") return client.patch(path, body, { ...options, type: "merge" });
    return client.request(method as "GET", path, { ...options, body });
  });
  cluster.secret = { metadata: { resourceVersion: "1" }, data: { "tls.crt": "bm9uZQ==", "tls.key": "bm9uZQ==" } };
  const late = new QueryApi({
    ...{ client: racing, host: new LinuxHost(), clock, logger, address: "127.0.0.1", port },
    ...{ snapshot: { node: new Map(), lease: new Map() }, agents: { addressesInUse, policiesInForce, bgp, probeBgp } },
  });
  late.start();
  await expect.poll(() => cluster.caBundle).toBe(base64(winner.certificate));
  expect(await ask("/healthz")).toEqual({ status: 200, said: "ok" });
  await late.stop();
});

function base64(value: string): string {
  return Buffer.from(value).toString("base64");
}

import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makeQueryServer } from "../../../src/agent/query-server.ts";
import { TokenCheck } from "../../../src/agent/token-check.ts";
import { bgpPath, parseBgpQuery } from "../../../src/api/bgp-query.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { AddressUse, PoliciesAnswer } from "../../../src/api/node-query.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { type KeyPair, makeSelfSigned } from "../../../src/host/self-signed.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const use: AddressUse = { ip: parseIp("192.168.0.1"), kind: "route", interface: "cali1", namespace: "host" };
const controllers = "system:serviceaccount:margay-system:margay-controllers";
/** What the API server says of a token: whose it is, and of its audiences those that were asked for. */
const reviews: Readonly<Record<string, object>> = {
  good: { authenticated: true, audiences: ["margay-agent"], user: { username: controllers } },
  other: { authenticated: true, audiences: ["margay-agent"], user: { username: "system:serviceaccount:shop:web" } },
  unheard: { authenticated: true, user: { username: controllers } },
  elsewhere: { authenticated: true, audiences: ["https://kubernetes.default.svc"], user: { username: controllers } },
  expired: { authenticated: false, error: "expired" },
};

let keyPair: KeyPair;
let server: ReturnType<typeof makeQueryServer>;
let port: number;
let addressUses: (ips: readonly Ip[] | undefined) => Promise<readonly AddressUse[]>;
let asked: (readonly Ip[] | undefined)[];

const clock = testClock();
let review: (token: string) => unknown;
let client: ReturnType<typeof stubClient>;

beforeAll(async () => {
  keyPair = await makeSelfSigned(new LinuxHost(), "margay-agent");
});

let held: Pick<PoliciesAnswer, "pending" | "policies"> | undefined;

beforeEach(async () => {
  [asked, held] = [[], undefined];
  addressUses = async (ips) => {
    asked.push(ips);
    return [use];
  };
  review = (token) => ({ status: reviews[token] ?? { authenticated: false } });
  client = stubClient((_request, body) => {
    const { spec } = body as { spec: { token: string; audiences: readonly string[] } };
    expect(spec.audiences).toEqual(["margay-agent"]);
    return review(spec.token);
  });
  server = makeQueryServer({
    ...{ node: "node-1" as NodeName, keyPair, tokens: new TokenCheck(client, clock) },
    policiesInForce: () => held,
    questions: { [bgpPath]: async (body) => ({ asked: parseBgpQuery(body) }) },
    ...{ addressUses: (ips) => addressUses(ips), logger: pino({ level: "silent" }) },
  });
  await server.listen({ host: "127.0.0.1", port: 0 });
  port = (server.server.address() as AddressInfo).port;
});

afterEach(() => server.close());

interface Sent {
  readonly authorization?: string;
  readonly body?: string;
  readonly method?: string;
  readonly path?: string;
  readonly maxVersion?: "TLSv1.2";
}

async function send({ authorization = "Bearer good", body = "{}", method = "POST", path, ...tls }: Sent = {}) {
  const sent = request({
    ...{ host: "127.0.0.1", port, method, path: path ?? "/v1/addresses", agent: false },
    ...{ ca: keyPair.certificate, servername: "margay-agent", ...tls },
    headers: { authorization, "content-type": "application/json", "content-length": Buffer.byteLength(body) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; said: unknown }>();
  sent.once("response", (response) =>
    text(response).then((said) => resolve({ status: response.statusCode, said: JSON.parse(said) }), reject),
  );
  sent.once("error", reject);
  sent.end(body);
  return promise;
}

test("answers the controllers what the node uses, of all or of the addresses asked for", async () => {
  expect(await send()).toEqual({ status: 200, said: { node: "node-1", uses: [use] } });
  await send({ body: '{"ips":["192.168.0.1","2001:DB8::1"]}' });
  expect(asked).toEqual([undefined, ["192.168.0.1", "2001:db8::1"]]);
});

test("answers the controllers which policies the kernel holds, once it holds a plan", async () => {
  const path = "/v1/policies";
  const message = "Cannot tell yet: this agent has not brought the kernel to a plan since it started";
  expect(await send({ path })).toEqual({ status: 503, said: { message } });
  const policy = { id: "gnp/base", tier: "default", staged: true, uid: "u", generation: 2, endpoints: 1, problems: [] };
  held = { pending: true, policies: [policy] };
  expect(await send({ path })).toEqual({ status: 200, said: { node: "node-1", ...held } });
  expect(await send({ path, authorization: "Bearer other" })).toMatchObject({ status: 403 });
});

test("answers further questions with the node's name, and refuses bodies that they cannot read", async () => {
  const path = "/v1/bgp";
  const asked = { peer: "10.0.0.2", history: 5, routes: false };
  const body = '{"peer":"10.0.0.2","history":5}';
  expect(await send({ path, body })).toEqual({ status: 200, said: { node: "node-1", asked } });
  expect(await send({ path, body: '{"history":"all"}' })).toMatchObject({ status: 400 });
  expect(await send({ path, authorization: "Bearer other" })).toMatchObject({ status: 403 });
  const message = "There is only POST /v1/addresses and /v1/policies and /v1/bgp";
  expect(await send({ path: "/v1/else" })).toEqual({ status: 404, said: { message } });
});

test.each([
  ["no token", "", 401, "Cannot answer without a bearer token"],
  ["another scheme", "Basic Z29vZA==", 401, "Cannot answer without a bearer token"],
  ["an expired token", "Bearer expired", 401, "Cannot accept the token: it is not valid, or not for agents"],
  ["a token for others", "Bearer elsewhere", 401, "Cannot accept the token: it is not valid, or not for agents"],
  ["a token for anybody", "Bearer unheard", 401, "Cannot accept the token: it is not valid, or not for agents"],
  ["somebody else's token", "Bearer other", 403, "Cannot answer: only the controllers may ask"],
])("refuses %s", async (_what, authorization, status, message) => {
  expect(await send({ authorization })).toEqual({ status, said: { message } });
  // Not even what there is, or a body that cannot be read, tells them more.
  expect(await send({ authorization, path: "/healthz", method: "GET" })).toMatchObject({ status });
  expect(await send({ authorization, body: "no JSON" })).toMatchObject({ status });
  expect(asked).toEqual([]);
});

test("asks the API server of a token at most once in ten seconds, and again when it did not answer", async () => {
  await Promise.all([send(), send(), send({ authorization: "Bearer other" })]);
  await send();
  expect(client.sent).toHaveLength(2);
  clock.pass(10_001);
  review = () => {
    throw new Error("no answer from the API server");
  };
  const message = "Cannot check the token: no answer from the API server";
  expect(await send()).toEqual({ status: 503, said: { message } });
  expect(await send({ authorization: "Bearer other" })).toEqual({ status: 503, said: { message } });
  review = () => ({ status: reviews["good"] });
  expect(await send()).toMatchObject({ status: 200 });
});

test("a flood of tokens asks the API server a few at a time", async () => {
  const held = Promise.withResolvers<unknown>();
  review = () => held.promise;
  const statuses: unknown[] = [];
  const flood = Array.from({ length: 20 }, async (_, index) => {
    statuses.push((await send({ authorization: `Bearer t${index}` })).status);
  });
  await expect.poll(() => statuses).toEqual(Array(12).fill(503));
  expect(client.sent).toHaveLength(8);
  held.resolve({ status: {} });
  await Promise.all(flood);
  expect(statuses.slice(12)).toEqual(Array(8).fill(401));
});

test("what cannot be told for certain is an error, never an empty answer", async () => {
  addressUses = () => Promise.reject(new Error("Cannot enter network namespace /run/netns/x: EPERM"));
  expect(await send()).toEqual({
    status: 500,
    said: { message: "Cannot enter network namespace /run/netns/x: EPERM" },
  });
  addressUses = async () => [use];
  expect(await send()).toMatchObject({ status: 200 });
});

test("one question is worked on at a time, and few wait", async () => {
  const held = Promise.withResolvers<readonly AddressUse[]>();
  let working = 0;
  addressUses = (ips) => {
    working++;
    asked.push(ips);
    return held.promise.finally(() => working--);
  };
  const statuses: unknown[] = [];
  const many = Array.from({ length: 20 }, async () => {
    statuses.push((await send()).status);
  });
  await expect.poll(() => statuses).toEqual(Array(4).fill(503));
  expect(working).toBe(1);
  held.resolve([use]);
  await Promise.all(many);
  expect(statuses.slice(4)).toEqual(Array(16).fill(200));
});

test("refuses what is no question, and serves nothing else", async () => {
  expect(await send({ body: '{"ips":["300.1.1.1"]}' })).toMatchObject({ status: 400 });
  expect(await send({ body: "no JSON" })).toMatchObject({ status: 400 });
  expect(await send({ body: JSON.stringify({ ips: ["x".repeat(5 * 1024 * 1024)] }) }).catch(String)).toSatisfy(
    // The server may cut a body that is too long before all of it was sent.
    (answer: unknown) => /EPIPE|ECONNRESET/.test(String(answer)) || (answer as { status: number }).status === 413,
  );
  expect(await send({ path: "/" })).toMatchObject({ status: 404 });
  expect(await send({ method: "PUT" })).toMatchObject({ status: 404 });
  expect(asked).toEqual([]);
});

test("speaks TLS 1.3 only", async () => {
  await expect(send({ maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version|handshake/);
});

import { expect, test } from "vitest";
import { KubeUnreachableError } from "../../../src/kube/client.ts";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import { type Answer, json, refusal, scriptedServer, streamed } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

function clientOf(server: string, clock = testClock()) {
  return new HttpsKubeClient({ server, clock, credentials: async () => ({ headers: {}, tls: {} }) });
}

const never: Answer = () => undefined;

test("the server's URL is told without path and password", () => {
  expect(clientOf("https://ann:secret@10.0.0.1:6443/k8s").server).toBe("https://10.0.0.1:6443");
});

test("many requests use one connection, and a watch beside them one of its own", async () => {
  await using server = await scriptedServer(streamed(["first\n"], "stay"), json({}));
  const client = clientOf(server.url);
  const watch = client.stream("/watch");
  expect(await watch.next()).toEqual({ done: false, value: ["first"] });
  for (let count = 0; count < 20; count++) await client.request("GET", "/api");
  expect(server.connections()).toBe(2);
  await watch.return(undefined);
  client.close();
});

test("open watches never keep a request waiting", async () => {
  const answer: Answer = (response, request, body) =>
    (request.url === "/watch" ? streamed(["line\n"], "stay") : json("answered"))(response, request, body);
  await using server = await scriptedServer(answer);
  const client = clientOf(server.url);
  const watches = Array.from({ length: 40 }, () => client.stream("/watch"));
  await Promise.all(watches.map((one) => one.next()));
  expect(await client.request("GET", "/api")).toBe("answered");
  client.close();
});

test("query and body are sent as they are given, big integers digit for digit", async () => {
  let sent = "";
  await using server = await scriptedServer((response, _request, body) => {
    sent = body;
    response.end(body);
  });
  const client = clientOf(`${server.url}/base/`);
  const body = { sequenceNumber: 1790263475908126721n };
  const query = { labelSelector: "a=b,c", limit: 5, absent: undefined };
  expect(await client.request("PUT", "/api", { body, query })).toEqual(body);
  expect(sent).toBe('{"sequenceNumber":1790263475908126721}');
  expect(server.requests).toEqual(["PUT /base/api?labelSelector=a%3Db%2Cc&limit=5"]);
});

test("a refusal is a KubeError with the server's own words", async () => {
  await using server = await scriptedServer(refusal(409, "Conflict", "the object has been modified"));
  await expect(clientOf(server.url).request("PUT", "/api/x", { body: {} })).rejects.toMatchObject({
    name: "KubeError",
    status: 409,
    reason: "Conflict",
    message: "Cannot write /api/x: the object has been modified",
  });
});

test("a refusal by something else on the way is told with what it said", async () => {
  await using server = await scriptedServer((response) => response.writeHead(502).end("<h1>Bad\n gateway</h1>"));
  await expect(clientOf(server.url).request("GET", "/api")).rejects.toMatchObject({
    status: 502,
    message: "Cannot read /api: <h1>Bad gateway</h1>",
  });
});

test("an answer that is not JSON is an error", async () => {
  await using server = await scriptedServer((response) => response.end("<html>"));
  await expect(clientOf(server.url).request("GET", "/api")).rejects.toMatchObject({ reason: "NotJson" });
});

test("429 is tried again after its Retry-After, no longer than the limit, no oftener than five times", async () => {
  const clock = testClock();
  const busy = (seconds: string): Answer => json({ kind: "Status" }, 429, { "retry-after": seconds });
  await using server = await scriptedServer(
    busy("2"),
    busy("3600"),
    busy("Sat, 21 Nov 2026 10:00:00 GMT"),
    json("done"),
  );
  expect(await clientOf(server.url, clock).request("POST", "/api", { body: {} })).toBe("done");
  expect(clock.slept).toEqual([2250, 11_250, 1125]);

  await using always = await scriptedServer(busy("1"));
  await expect(clientOf(always.url).request("GET", "/api")).rejects.toMatchObject({ status: 429 });
  expect(always.requests).toHaveLength(5);
});

test("401 is tried once more, with fresh credentials", async () => {
  const seen: (string | undefined)[] = [];
  const answer: Answer = (response, request, body) => {
    seen.push(request.headers.authorization);
    (seen.length === 1 ? refusal(401, "Unauthorized") : json("welcome"))(response, request, body);
  };
  await using server = await scriptedServer(answer);
  const credentials = async (refused: boolean) => ({ headers: { authorization: refused ? "new" : "old" }, tls: {} });
  expect(
    await new HttpsKubeClient({ server: server.url, credentials, clock: testClock() }).request("GET", "/api"),
  ).toBe("welcome");
  expect(seen).toEqual(["old", "new"]);

  await using closed = await scriptedServer(refusal(401, "Unauthorized"));
  await expect(clientOf(closed.url).request("GET", "/api")).rejects.toMatchObject({ status: 401 });
  expect(closed.requests).toHaveLength(2);
});

test("no answer, a slow body and a refused connection are KubeUnreachableErrors that say why", async () => {
  await using silent = await scriptedServer(never);
  const late = clientOf(silent.url).request("GET", "/api", { timeoutMs: 30 });
  await expect(late).rejects.toThrow(`Cannot read /api: no answer from the API server at ${silent.url}: nothing came`);
  await expect(late).rejects.toBeInstanceOf(KubeUnreachableError);

  await using slow = await scriptedServer(streamed(['{"half":'], "stay"));
  await expect(clientOf(slow.url).request("GET", "/api", { timeoutMs: 30 })).rejects.toThrow("nothing came within");

  await using cut = await scriptedServer(streamed(['{"half":'], "cut"));
  await expect(clientOf(cut.url).request("GET", "/api")).rejects.toBeInstanceOf(KubeUnreachableError);

  const gone = await scriptedServer(never);
  await gone[Symbol.asyncDispose]();
  await expect(clientOf(gone.url).request("GET", "/api")).rejects.toThrow(/no answer .* ECONNREFUSED/);
});

test("an abort rejects a request with the signal's reason, and ends a stream", async () => {
  await using server = await scriptedServer((response, request, body) =>
    (request.url === "/watch" ? streamed(["one\n"], "stay") : never)(response, request, body),
  );
  const client = clientOf(server.url);
  const controller = new AbortController();
  const request = client.request("GET", "/api", { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(request).rejects.toBe(reason);

  const later = new AbortController();
  const lines: unknown[] = [];
  for await (const batch of client.stream("/watch", { signal: later.signal })) {
    lines.push(...batch);
    later.abort();
  }
  expect(lines).toEqual(["one"]);
});

test("the time limit of a stream ends with the head of its answer", async () => {
  const slow: Answer = (response) => {
    response.writeHead(200).write("one\n");
    setTimeout(() => response.end("two\n"), 200);
  };
  await using server = await scriptedServer(slow, never);
  const client = clientOf(server.url);
  expect(await Array.fromAsync(client.stream("/watch", { timeoutMs: 50 }))).toEqual([["one"], ["two"]]);
  await expect(Array.fromAsync(client.stream("/watch", { timeoutMs: 50 }))).rejects.toThrow("nothing came within");
});

test("a stream that is cut throws; one that the server ends just ends", async () => {
  await using server = await scriptedServer(streamed(["one\ntw"], "cut"), streamed(["one\n", "two\n"], "end"));
  const client = clientOf(server.url);
  const lines: unknown[] = [];
  const read = async () => {
    for await (const batch of client.stream("/watch")) lines.push(...batch);
  };
  await expect(read()).rejects.toBeInstanceOf(KubeUnreachableError);
  expect(lines).toEqual(["one"]);
  await read();
  expect(lines).toEqual(["one", "one", "two"]);
});

test("a read goes through although the server closed the idle connection; a write is not said twice", async () => {
  // Answers once on each connection, and drops it when a second request comes.
  const answered = new WeakSet<object>();
  const once: Answer = (response, request) => {
    if (answered.has(request.socket)) request.socket.resetAndDestroy();
    else {
      answered.add(request.socket);
      response.end('"fine"');
    }
  };
  await using server = await scriptedServer(once);
  const client = clientOf(server.url);
  expect(await client.request("GET", "/api")).toBe("fine");
  expect(await client.request("GET", "/api")).toBe("fine");
  await expect(client.request("POST", "/api", { body: {} })).rejects.toBeInstanceOf(KubeUnreachableError);
  expect(server.requests).toEqual(["GET /api", "GET /api", "GET /api", "POST /api"]);
});

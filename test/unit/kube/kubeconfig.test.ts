import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connect } from "../../../src/kube/kubeconfig.ts";
import { type Answer, json, refusal, scriptedServer } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-kubeconfig-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function write(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** A kubeconfig for `server`, with `user` as YAML flow. */
function kubeconfigFor(server: string, user: string, name = "test"): string {
  return [
    "apiVersion: v1\nkind: Config",
    `clusters: [{name: ${name}, cluster: {server: "${server}", insecure-skip-tls-verify: true}}]`,
    `users: [{name: ${name}, user: ${user}}]`,
    `contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]`,
    `current-context: ${name}\n`,
  ].join("\n");
}

/** Lets in whoever brings the credentials that `accepted` holds, and notes what was brought. */
function guard(accepted: () => string) {
  const brought: (string | undefined)[] = [];
  const answer: Answer = (response, request, body) => {
    brought.push(request.headers.authorization);
    const welcome = request.headers.authorization === accepted();
    (welcome ? json("welcome") : refusal(401, "Unauthorized"))(response, request, body);
  };
  return { brought, answer };
}

test.each([
  ["a token", "{token: secret}", "Bearer secret"],
  ["a name and a password", "{username: me, password: secret}", `Basic ${btoa("me:secret")}`],
])("%s of the kubeconfig is sent", async (_, user, header) => {
  await using server = await scriptedServer(guard(() => header).answer);
  const client = await connect({
    kubeconfig: await write("config", kubeconfigFor(server.url, user)),
    clock: testClock(),
  });
  expect(await client.request("GET", "/api")).toBe("welcome");
});

test("a token file is read again each minute, and as soon as the server refuses what it held", async () => {
  let accepted = "Bearer one";
  const { brought, answer } = guard(() => accepted);
  await using server = await scriptedServer(answer);
  // Relative to the kubeconfig, and with a line end, as files have.
  await write("token", "one\n");
  const clock = testClock();
  const client = await connect({
    kubeconfig: await write("config", kubeconfigFor(server.url, "{tokenFile: token}")),
    clock,
  });
  await client.request("GET", "/api");
  await write("token", "two\n");
  accepted = "Bearer two";
  expect(await client.request("GET", "/api")).toBe("welcome");
  expect(brought).toEqual(["Bearer one", "Bearer one", "Bearer two"]);

  await write("token", "three\n");
  accepted = "Bearer three";
  clock.pass(61_000);
  expect(await client.request("GET", "/api")).toBe("welcome");
  expect(brought.at(-2)).toBe("Bearer two");
});

test("a credential plugin runs once, and again when the server refuses what it gave", async () => {
  const count = await write("count", "");
  const credential = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}';
  const plugin = await write(
    "plugin",
    `#!/bin/sh\necho run >> ${count}\nprintf '${credential}' "$(wc -l < ${count})"\n`,
  );
  await chmod(plugin, 0o755);
  let accepted = "Bearer 1";
  await using server = await scriptedServer(guard(() => accepted).answer);
  const user = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: "${plugin}", args: []}}`;
  const clock = testClock();
  const client = await connect({ kubeconfig: await write("config", kubeconfigFor(server.url, user)), clock });
  for (let round = 0; round < 3; round++) {
    await client.request("GET", "/api");
    clock.pass(61_000);
  }
  expect(await readFile(count, "utf8")).toBe("run\n");
  accepted = "Bearer 2";
  expect(await client.request("GET", "/api")).toBe("welcome");
});

test("a credential plugin that fails is told, and asked again next time", async () => {
  const plugin = await write("plugin", "#!/bin/sh\necho the card is not in the reader >&2\nexit 1\n");
  await chmod(plugin, 0o755);
  const user = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: "${plugin}", args: []}}`;
  const client = await connect({
    kubeconfig: await write("config", kubeconfigFor("http://127.0.0.1:1", user)),
    clock: testClock(),
  });
  for (let round = 0; round < 2; round++) {
    await expect(client.request("GET", "/api")).rejects.toThrow(
      'Cannot get the credentials of the kubeconfig\'s user "test": the card is not in the reader',
    );
  }
});

test("KUBECONFIG may name several files, and the first current-context counts", async () => {
  await using server = await scriptedServer(guard(() => "Bearer first").answer);
  const first = await write("first", kubeconfigFor(server.url, "{token: first}", "first"));
  const second = await write("second", kubeconfigFor("http://127.0.0.1:1", "{token: second}", "second"));
  vi.stubEnv("KUBECONFIG", [first, second].join(delimiter));
  expect(await (await connect({ clock: testClock() })).request("GET", "/api")).toBe("welcome");
});

test("without any kubeconfig, the message says where one was looked for", async () => {
  vi.stubEnv("KUBECONFIG", "");
  vi.stubEnv("HOME", folder);
  vi.stubEnv("KUBERNETES_SERVICE_HOST", undefined);
  await expect(connect({ clock: testClock() })).rejects.toThrow(
    `Cannot find the API server: no kubeconfig was named, KUBECONFIG is not set`,
  );
});

test.each([
  ["{", /Cannot read the kubeconfig .*config: /],
  ["null\n", /Cannot read the kubeconfig .*config: it is not a kubeconfig/],
  ["clusters: []\ncurrent-context: x\n", /its current-context "x" names no context with a cluster/],
  ["clusters: [{name: x}]\n", /clusters\[0\]\.cluster is missing/],
  [kubeconfigFor("nonsense", "{}"), /the server "nonsense" is not a URL/],
])("a malformed kubeconfig is told in a sentence: %j", async (content, message) => {
  await expect(connect({ kubeconfig: await write("config", content), clock: testClock() })).rejects.toThrow(message);
});

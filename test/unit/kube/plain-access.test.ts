import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { plainAccessOf, serviceAccountAccess } from "../../../src/kube/plain-access.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-plain-access-"));
  for (const name of ["ca.crt", "client.crt", "client.key", "token"]) await writeFile(join(folder, name), `${name}\n`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function write({
  cluster = {},
  user = {},
  current = "c",
}: {
  cluster?: object;
  user?: object;
  current?: string;
}) {
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": current },
    clusters: [{ name: "k", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
  };
  const path = join(folder, "config");
  await writeFile(path, JSON.stringify(config));
  return path;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

test.each([
  ["a token", { user: { token: "secret" } }],
  ["a name and a password", { user: { username: "me", password: "secret" } }],
  ["a certificate in files", { user: { "client-certificate": "client.crt", "client-key": "client.key" } }],
  ["a certificate in itself", { user: { "client-certificate-data": base64("crt"), "client-key-data": base64("key") } }],
  ["an authority in a file", { cluster: { "certificate-authority": "ca.crt" }, user: { token: "t" } }],
  ["an authority in itself", { cluster: { "certificate-authority-data": base64("ca") }, user: { token: "t" } }],
  ["an unchecked server", { cluster: { "insecure-skip-tls-verify": true }, user: { token: "t" } }],
  ["a server of another name", { cluster: { "tls-server-name": "kubernetes" }, user: { token: "t" } }],
])("of a kubeconfig with %s it has what the library has", async (_, parts) => {
  const path = await write(parts);
  const config = new KubeConfig();
  config.loadFromFile(path);
  const options: Record<string, unknown> = {};
  await config.applyToHTTPSOptions(options);
  const { auth, headers = {} } = options as { auth?: string; headers?: Record<string, string> };
  const authorization = auth === undefined ? headers["Authorization"] : `Basic ${base64(auth)}`;
  const plain = plainAccessOf(path);
  expect(plain?.server).toBe(config.getCurrentCluster()?.server);
  expect(plain?.credentials.headers).toEqual(authorization === undefined ? {} : { authorization });
  const known = ["ca", "cert", "key", "rejectUnauthorized", "servername"].map((name) => [name, options[name]] as const);
  const given = known.flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
  const found = Object.entries(plain?.credentials.tls ?? {}).map(([name, value]) => [name, `${value}`]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(given));
});

test("a token's file is found beside the kubeconfig", async () => {
  const plain = plainAccessOf(await write({ user: { tokenFile: "token" } }));
  expect(plain?.credentials.headers).toEqual({ authorization: "Bearer token" });
});

test.each([
  ["a credential plugin", { user: { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "x" } } }],
  ["an authentication provider", { user: { "auth-provider": { name: "oidc" } } }],
  ["somebody else's name", { user: { token: "t", as: "admin" } }],
  ["a proxy", { cluster: { "proxy-url": "http://proxy" }, user: { token: "t" } }],
  ["a context that is not there", { user: { token: "t" }, current: "other" }],
  ["a server that is no URL", { cluster: { server: "here" }, user: { token: "t" } }],
])("one with %s is left to the library", async (_, parts) => {
  expect(plainAccessOf(await write(parts))).toBeUndefined();
});

test("what is no kubeconfig, or not there, is left to the library", async () => {
  expect(plainAccessOf(join(folder, "missing"))).toBeUndefined();
  await writeFile(join(folder, "broken"), "{");
  expect(plainAccessOf(join(folder, "broken"))).toBeUndefined();
});

test("a pod's own service account is the token and the authority of its folder", () => {
  expect(serviceAccountAccess(folder)).toBeUndefined();
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "fd00::1");
  vi.stubEnv("KUBERNETES_SERVICE_PORT", "443");
  expect(serviceAccountAccess(folder)).toEqual({
    server: "https://[fd00::1]:443",
    credentials: { headers: { authorization: "Bearer token" }, tls: { ca: Buffer.from("ca.crt\n") } },
  });
  expect(serviceAccountAccess(join(folder, "none"))).toBeUndefined();
});

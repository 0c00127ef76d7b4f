import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { SecretFollower } from "../../src/agent/bgp/secret-follower.ts";
import { type BgpConfiguration, parseBgpConfiguration } from "../../src/api/bgp-configuration.ts";
import { type BgpPeer, parseBgpPeer } from "../../src/api/bgp-peer.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { planSessions } from "../../src/bgp/plan/plan-sessions.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { type Relay, startRelay } from "../fakes/relay.ts";
import { clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";

const eventually = { timeout: 30_000, interval: 20 };
const namespace = "margay-system";
const agent = `system:serviceaccount:${namespace}:margay-agent`;
const node = nodeName("node-1");

let folder: string;
let plane: ControlPlane;
/** Before the API server, so that its connections can be cut. */
let relay: Relay;
let client: KubeClient;
let running: SecretFollower | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-bgp-secrets-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  const manifest = join(import.meta.dirname, "../../manifests/agent-rbac.yaml");
  await plane.kubectl(["apply", `--filename=${manifest}`]);
  relay = await startRelay(() => Number(new URL(plane.url).port));
  client = await connect({ kubeconfig: await kubeconfigThroughRelay(), clock: systemClock });
});

afterEach(async () => {
  await running?.stop();
  await plane.kubectl(["delete", "secret", "--all", `--namespace=${namespace}`]);
});

afterAll(async () => {
  client?.close();
  await relay?.[Symbol.asyncDispose]();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a password that is set, changed and taken away is told as it happens, and nothing of it is logged", async () => {
  await setSecret("bgp-secrets", { tor: "first-word", other: "x" });
  const { follower, told, log } = follow({ tor: passwordIn("bgp-secrets", "tor") });
  await follower.known(30_000);
  expect(told()).toEqual({ "bgp-secrets/tor": { text: "first-word" } });

  await setSecret("bgp-secrets", { tor: "second-word", other: "x" });
  await vi.waitFor(() => expect(told()).toEqual({ "bgp-secrets/tor": { text: "second-word" } }), eventually);
  await plane.kubectl(["delete", "secret", "bgp-secrets", `--namespace=${namespace}`]);
  const gone = { missing: "there is no Secret bgp-secrets in namespace margay-system" };
  await vi.waitFor(() => expect(told()).toEqual({ "bgp-secrets/tor": gone }), eventually);
  await setSecret("bgp-secrets", { tor: "third-word" });
  await vi.waitFor(() => expect(told()).toEqual({ "bgp-secrets/tor": { text: "third-word" } }), eventually);
  const words = ["first-word", "second-word", "third-word"];
  for (const word of words.flatMap((text) => [text, btoa(text)])) expect(log.join("")).not.toContain(word);
});

test("what changes beside the keys in use is not told", async () => {
  await setSecret("bgp-secrets", { tor: "first-word", other: "x" });
  const { follower, changes, told } = follow({ tor: passwordIn("bgp-secrets", "tor") });
  await follower.known(30_000);
  const before = changes();
  await setSecret("bgp-secrets", { tor: "first-word", other: "y" });
  await setSecret("bgp-secrets", { tor: "second-word", other: "z" });
  await vi.waitFor(() => expect(told()).toEqual({ "bgp-secrets/tor": { text: "second-word" } }), eventually);
  expect(changes() - before).toBe(1);
});

test("a Secret that is not there, has no such key, or may not be read is missing, with what to do", async () => {
  await setSecret("bgp-secrets", { tor: "first-word" });
  await setSecret("margay-query-tls", { "tls.key": "not for agents" });
  const { follower, told } = follow({
    a: passwordIn("bgp-secrets", "elsewhere"),
    b: passwordIn("margay-query-tls", "tls.key", "10.0.0.2"),
  });
  await follower.known(30_000);
  expect(told()["bgp-secrets/elsewhere"]).toEqual({
    missing: "Secret bgp-secrets in namespace margay-system has no key elsewhere",
  });
  const refused = JSON.stringify(told()["margay-query-tls/tls.key"]);
  expect(refused).toContain("the agent may not read Secret margay-query-tls: name it in Role margay-agent-passwords");
  expect(refused).toContain("forbidden");
  expect(refused).not.toContain("not for agents");
});

test("a right that is given later is taken up, and what was read is kept when it is taken away", async () => {
  await setSecret("racks", { a: "rack-a" });
  const { follower, told, log } = follow({ a: passwordIn("racks", "a") });
  await follower.known(30_000);
  expect(log).toHaveLength(1);
  expect(JSON.stringify(told())).toContain("may not read");
  const names = (list: readonly string[]) =>
    plane.kubectl([
      ...["patch", "role", "margay-agent-passwords", `--namespace=${namespace}`, "--type=json"],
      `--patch=${JSON.stringify([{ op: "replace", path: "/rules/0/resourceNames", value: list }])}`,
    ]);
  await names(["bgp-secrets", "racks"]);
  await vi.waitFor(() => expect(told()).toEqual({ "racks/a": { text: "rack-a" } }), eventually);
  await names(["bgp-secrets"]);
  relay.cut();
  await vi.waitFor(() => expect(log.slice(1).join("")).toContain("forbidden"), eventually);
  expect(told()).toEqual({ "racks/a": { text: "rack-a" } });
});

test("only the Secrets of sessions that there are are followed, as BGPPeers come and go", async () => {
  await setSecret("bgp-secrets", { tor: "first-word", mesh: "of-the-mesh" });
  const { follower, told, snapshot, watches } = follow({});
  await follower.known(30_000);
  expect(told()).toEqual({});
  snapshot.bgpPeer.set("tor", peer("tor", passwordIn("bgp-secrets", "tor")));
  follower.touched(new Set(["bgpPeer"]));
  await vi.waitFor(() => expect(told()).toEqual({ "bgp-secrets/tor": { text: "first-word" } }), eventually);
  const nodeMeshPassword = { secretKeyRef: { name: "bgp-secrets", key: "mesh" } };
  snapshot.bgpConfiguration.set(
    "default",
    parseBgpConfiguration({ metadata: { name: "default" }, spec: { nodeMeshPassword } }),
  );
  snapshot.bgpPeer.delete("tor");
  follower.touched(new Set(["bgpConfiguration", "bgpPeer"]));
  expect(told()).toEqual({ "bgp-secrets/mesh": { text: "of-the-mesh" } });
  expect(watches()).toBe(1);
  snapshot.bgpConfiguration.delete("default");
  follower.touched(new Set(["bgpConfiguration"]));
  expect(told()).toEqual({});
  await vi.waitFor(() => expect(watches()).toBe(0), eventually);
});

test("a session waits for its password, and is opened with it", async () => {
  const { follower, snapshot } = follow({ tor: passwordIn("bgp-secrets", "tor") });
  const session = () => planSessions({ snapshot, node, secrets: follower.secrets })?.sessions.at(-1);
  expect(session()?.held).toBe("Secret bgp-secrets has not been read yet");
  await follower.known(30_000);
  expect(session()?.held).toBe("there is no Secret bgp-secrets in namespace margay-system");
  await setSecret("bgp-secrets", { tor: "first-word" });
  await vi.waitFor(() => expect(session()).toMatchObject({ held: undefined, password: "first-word" }), eventually);
});

// --- internal ---

function passwordIn(name: string, key: string, peerIP = "10.0.0.1"): object {
  return { peerIP, asNumber: 64513, password: { secretKeyRef: { name, key } } };
}

function peer(name: string, spec: object) {
  return parseBgpPeer({ metadata: { name }, spec });
}

/** A follower with the rights of an agent, on a node of two whose BGPPeers are these. */
function follow(peers: Readonly<Record<string, object>>) {
  const nodes = { "node-1": { ips: ["172.18.1.2"] }, "node-2": { ips: ["172.18.1.3"] } };
  const snapshot = clusterSnapshot({ nodes, peers });
  const log: string[] = [];
  let changes = 0;
  let watches = 0;
  const stream: KubeClient["stream"] = async function* (...asked) {
    watches++;
    try {
      yield* client.stream(...asked);
    } finally {
      watches--;
    }
  };
  const follower = new SecretFollower({
    ...{ node, snapshot, clock: systemClock },
    client: { ...client, request: client.request.bind(client), stream },
    logger: pino({ level: "trace" }, { write: (line: string) => void log.push(line) }) as never,
    onChange: () => {
      changes++;
    },
    reflector: { backoff: { firstMs: 20, maxMs: 100 } },
  });
  running = follower;
  follower.begin();
  return {
    ...{ follower, log, changes: () => changes, watches: () => watches, snapshot: snapshot as Changeable },
    told: () => Object.fromEntries(follower.secrets),
  };
}

/** What the agent's store does to its snapshot. */
type Changeable = Snapshot & {
  readonly bgpPeer: Map<string, BgpPeer>;
  readonly bgpConfiguration: Map<string, BgpConfiguration>;
};

async function kubeconfigThroughRelay(): Promise<string> {
  const path = join(folder, "relay.kubeconfig");
  const text = await readFile(await plane.addUser(agent), "utf8");
  await writeFile(path, text.replaceAll(plane.url, `https://127.0.0.1:${relay.port}`));
  return path;
}

async function setSecret(name: string, stringData: Readonly<Record<string, string>>): Promise<void> {
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData };
  await plane.kubectl(["apply", "--server-side", "--force-conflicts", "--filename=-"], JSON.stringify(secret));
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { AgentLease } from "../../src/agent/agent-lease.ts";
import { makeQueryServer } from "../../src/agent/query-server.ts";
import { TokenCheck } from "../../src/agent/token-check.ts";
import type { IpamBlock } from "../../src/api/ipam-block.ts";
import {
  eventKind,
  kubeControllersConfigurationKind,
  leaseKind,
  nodeKind,
  podKind,
  resourcePath,
} from "../../src/api/kinds.ts";
import { type NodeName, systemNamespace } from "../../src/api/names.ts";
import { agentLeaseName, agentServerName } from "../../src/api/node-query.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { makeSelfSigned } from "../../src/host/self-signed.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { allocationsOf } from "../../src/ipam/block.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { readIfThere } from "../../src/kube/read-if-there.ts";
import type { Ip } from "../../src/net/ip.ts";

/**
 * Real controllers processes with the rights of manifests/controllers.yaml, a real API server, and agents' endpoints whose
 * kernel is the test. What needs time needs it side by side: before the first test ends all nodes are as they are to be
 * found, and the two that were deleted are looked at from then on while the other tests run.
 */
const root = join(import.meta.dirname, "../..");
const main = join(root, "src/cli/main.ts");
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const patience = { timeoutMs: 110_000, everyMs: 100 };
const nodes = {
  healthy: "node-1" as NodeName,
  /** There, but nobody answers. */
  silent: "silent" as NodeName,
  /** Deleted Nodes: an agent still lives on the one, none on the other. */
  deletedAlive: "deleted-alive" as NodeName,
  deletedSilent: "deleted-silent" as NodeName,
};

let folder: string;
let plane: ControlPlane;
let client: KubeClient;
let store: KubeIpamStore;
let survivor: Instance;
let prepared: Promise<Given>;
let metricsPort: number;
const processes = new Set<Instance>();
const agents = new Set<RunningAgent>();
/** What the healthy node uses. */
const inUse = new Set<Ip>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-controllers-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["apply", "-f", join(root, "crds"), "-f", join(root, "manifests/controllers.yaml")]);
  // Without the APIService: there is no Service network here to reach the query API by.
  const query = (await readFile(join(root, "manifests/query-api.yaml"), "utf8")).split(/^---$/m);
  await plane.kubectl(["apply", "-f", "-"], query.filter((text) => !text.includes("kind: APIService")).join("---"));
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  await plane.kubectl(["apply", "-f", "-"], pool);
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  store = new KubeIpamStore({ client, onRejected: ({ reason }) => expect.unreachable(reason) });
});

afterAll(async () => {
  await Promise.all([...processes].map((one) => one.kill()));
  await Promise.all([...agents].map((one) => one.stop()));
  client?.close();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("one process leads; when it is killed another takes over and makes the settings", async () => {
  const first = await startControllers("first");
  await until("the first leads", async () => (await leader())?.startsWith("first_"));
  const second = await startControllers("second");
  await until("the second follows", async () => (await second.log()).includes("follows the API server"));
  await until("the settings are there", async () => (await configuration()) !== undefined);
  expect(await leader()).toMatch(/^first_/);
  // Both follow the port, and only the leader tells of addresses.
  metricsPort = await freePort();
  await configure({ prometheusMetricsPort: metricsPort });
  await until(
    "both serve metrics",
    async () => (await scrape(first)) !== undefined && (await scrape(second)) !== undefined,
  );
  expect(await scrape(second)).toEqual(new Map([["margay_controllers_leader", 0]]));
  expect((await scrape(first))?.get("margay_controllers_leader")).toBe(1);
  expect((await scrape(first))?.get('ipam_ippool_size{ippool="pool"}')).toBe(256);
  await first.kill();
  await plane.kubectl(["delete", "kubecontrollersconfiguration", "default"]);
  prepared = prepare();
  await prepared;
  expect(await configuration()).toBeUndefined();
  await until("the second leads", async () => (await leader())?.startsWith("second_"));
  await until("the settings are there", async () => (await configuration()) !== undefined);
  expect(await second.log()).toContain("this process leads");
  survivor = second;
  await configure({ prometheusMetricsPort: metricsPort, controllers: { node: { leakGracePeriod: "2s" } } });
});

test("an address that really leaked is freed after its grace period; one in use, or of a living pod, is kept", async () => {
  const { leaked, used, living, pending, deletedAlive, deletedSilent, silent } = await prepared;
  await until("the leaked address is freed", async () => !(await held()).has(leaked));
  await until("the used one was looked at", async () => (await events()).includes("IPAMAddressStillInUse"));
  const kept = [living, pending, deletedAlive, deletedSilent, silent];
  expect(await heldAddresses()).toEqual([used, ...kept].toSorted());
  const annotations = (await blocks()).map(({ metadata }) => metadata.annotations);
  expect(JSON.stringify(annotations)).toContain("pod gone");
  // Once the node uses it no more, it goes too.
  inUse.delete(used);
  await until("the other is freed", async () => !(await held()).has(used));
  expect(await heldAddresses()).toEqual(kept.toSorted());
});

test("nothing is freed while the node does not answer", async () => {
  const { silent: ip } = await prepared;
  await until("the node was asked", async () => (await unanswered(nodes.silent)) > 0);
  // Pass after pass.
  const before = await unanswered(nodes.silent);
  await until("the node was asked again", async () => (await unanswered(nodes.silent)) >= before + 3);
  expect(await heldAddresses()).toContain(ip);
  await startAgent(nodes.silent);
  await until("it answers", async () => !(await held()).has(ip));
});

test("many at once are held back, and freed by their approval", async () => {
  const { living, pending, deletedAlive, deletedSilent } = await prepared;
  const ips: Ip[] = [];
  for (let index = 0; index < 15; index++) ips.push(await assign(nodes.healthy, `many-${index}`));
  await until("the condition", async () => JSON.stringify(await configuration()).includes("IPAMGarbageCollectionHeld"));
  await until("the event", async () => (await events()).includes("IPAMGarbageCollectionHeld"));
  // Pass after pass.
  await systemClock.sleep(5_000);
  expect(await heldAddresses()).toEqual(expect.arrayContaining(ips));
  const waiting = await scrape(survivor);
  expect(waiting?.get("margay_ipam_held_release")).toBe(15);
  expect(waiting?.get('ipam_allocations_gc_candidates{ippool="pool",node="node-1"}')).toBe(15);
  const { id } = (await configuration())?.status?.heldRelease ?? {};
  await run([process.execPath, main, "ipam", "approve", "--id", `${id}`, "--kubeconfig", plane.kubeconfig]);
  await until("they are freed", async () => {
    const now = await held();
    return ips.every((ip) => !now.has(ip));
  });
  await until("nothing is held any more", async () => {
    return !/Held|heldRelease|approved/.test(JSON.stringify(await configuration()));
  });
  await until("it is told of", async () => (await events()).includes("IPAMGarbageCollectionApproved"));
  expect(await events()).not.toContain("IPAMApprovalOutdated");
  expect(await heldAddresses()).toEqual([living, pending, deletedAlive, deletedSilent].toSorted());
  // What nobody approved is on record for the next leader: the leaked one, the used one, the silent node's.
  const freed = (await configuration())?.status?.freedLately ?? [];
  expect(freed.reduce((sum, { count }) => sum + count, 0)).toBe(3);
});

test("the leader's metrics say what has happened, and its health is told", async () => {
  const held = (node: string) => `{ippool="pool",node="${node}"}`;
  const figures = await scrape(survivor);
  expect(Object.fromEntries(figures ?? [])).toMatchObject({
    margay_controllers_leader: 1,
    margay_ipam_held_release: 0,
    [`ipam_allocations_in_use${held(nodes.healthy)}`]: 2,
    [`ipam_allocations_in_use${held(nodes.silent)}`]: 0,
    [`ipam_allocations_in_use${held(nodes.deletedAlive)}`]: 1,
    [`ipam_allocations_borrowed${held(nodes.healthy)}`]: 0,
    [`ipam_blocks${held(nodes.healthy)}`]: 1,
    [`ipam_blocks${held(nodes.deletedAlive)}`]: 1,
    [`ipam_allocations_gc_candidates${held(nodes.healthy)}`]: 0,
    // The leaked one, the used one, and the many.
    [`ipam_allocations_gc_reclamations${held(nodes.healthy)}`]: 17,
    [`ipam_allocations_gc_reclamations${held(nodes.silent)}`]: 1,
  });
  const health = await fetch(`http://${survivor.metricsAddress}:${metricsPort}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, "ok\n"]);
  expect(await configuration()).toMatchObject({
    status: { runningConfig: { prometheusMetricsPort: metricsPort, healthChecks: "Enabled" } },
  });
});

test("a deleted node keeps its addresses while its agent lives, and loses them with its block when it is silent", async () => {
  const { deletedAlive, deletedSilent } = await prepared;
  // Had an earlier test freed it, it would not be the silence that does.
  expect(await heldAddresses()).toContain(deletedSilent);
  await until("its addresses and block are gone", async () => (await blocksOf(nodes.deletedSilent)).length === 0);
  expect(await store.affinitiesOf(nodes.deletedSilent)).toEqual([]);
  // Both were deleted at the same time, and seen so by the same leader.
  expect(await heldAddresses()).toContain(deletedAlive);
  expect(await blocksOf(nodes.deletedAlive)).toHaveLength(1);
  expect(await store.affinitiesOf(nodes.deletedAlive)).toHaveLength(1);
});

test("every right that is needed was there", async () => {
  for (const identity of ["first", "second"]) {
    expect(await readFile(join(folder, `${identity}.log`), "utf8")).not.toMatch(/forbidden/i);
  }
});

// --- internal ---

interface Instance {
  readonly metricsAddress: string;
  log(): Promise<string>;
  kill(): Promise<void>;
}

interface RunningAgent {
  stop(): Promise<void>;
}

/** Addresses, by what is the matter with them. */
type Given = Readonly<
  Record<"leaked" | "used" | "living" | "pending" | "silent" | "deletedAlive" | "deletedSilent", Ip>
>;

interface ConfigurationJson {
  readonly status?: {
    readonly heldRelease?: { readonly id: string };
    readonly freedLately?: readonly { readonly count: number }[];
  };
}

const pool = JSON.stringify({
  ...{ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "pool" } },
  spec: { cidr: "10.66.0.0/24", blockSize: 26 },
});
const configurationPath = resourcePath(kubeControllersConfigurationKind, { name: "default" });

/** All nodes, agents, pods and addresses as garbage collection is to find them. */
async function prepare(): Promise<Given> {
  await Promise.all(Object.values(nodes).map(makeNode));
  const pods = [makePod("living"), makePod("pending")];
  const ofDeleted = [nodes.deletedAlive, nodes.deletedSilent].map((node) => assign(node, `on-${node}`));
  const [deletedAlive, deletedSilent, silent] = await Promise.all([...ofDeleted, assign(nodes.silent, "silent")]);
  const [leaked, used] = [await assign(nodes.healthy, "leaked"), await assign(nodes.healthy, "used")];
  const [living, pending] = [await assign(nodes.healthy, "living"), await assign(nodes.healthy, "pending")];
  inUse.add(used);
  await Promise.all(pods);
  await tellAddress("living", living);
  const last = await startAgent(nodes.deletedSilent);
  await Promise.all([startAgent(nodes.healthy), startAgent(nodes.deletedAlive)]);
  await until("its Lease", async () => (await readIfThere(client, leasePath(nodes.deletedSilent))) !== undefined);
  await last.stop();
  await plane.kubectl(["delete", "node", nodes.deletedAlive, nodes.deletedSilent, "--now"]);
  if (deletedAlive === undefined || deletedSilent === undefined || silent === undefined) throw new Error("no address");
  return { leaked, used, living, pending, silent, deletedAlive, deletedSilent };
}

async function until(what: string, holds: () => Promise<boolean | undefined>): Promise<void> {
  await waitFor(what, patience, async () => (await holds()) || undefined);
}

async function startControllers(identity: string): Promise<Instance> {
  const user = "system:serviceaccount:margay-system:margay-controllers";
  const kubeconfig = await plane.addUser(user, ["system:serviceaccounts", "system:serviceaccounts:margay-system"]);
  const file = join(folder, `${identity}.log`);
  const argv = [main, "controllers", "--identity", identity, "--kubeconfig", kubeconfig, "--log-level", "debug"];
  const port = String(await freePort());
  // Two on one machine have one port in their settings.
  const metricsAddress = `127.0.0.${2 + processes.size}`;
  const child: ChildProcess = spawn(
    process.execPath,
    [...argv, "--query-address", "127.0.0.1", "--query-port", port, "--metrics-address", metricsAddress],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const output = createWriteStream(file);
  child.stdout?.pipe(output, { end: false });
  child.stderr?.pipe(output, { end: false });
  const instance: Instance = {
    metricsAddress,
    log: () => readFile(file, "utf8"),
    kill: async () => {
      processes.delete(instance);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
  processes.add(instance);
  return instance;
}

/** A node's endpoint as its agent serves it, and its Lease. Only the healthy node uses anything. */
async function startAgent(node: NodeName): Promise<RunningAgent> {
  const keyPair = await makeSelfSigned(new LinuxHost(), agentServerName);
  const uses = node === nodes.healthy ? inUse : [];
  const endpoint = makeQueryServer({
    ...{ node, keyPair, logger: quiet, tokens: new TokenCheck(client, systemClock) },
    policiesInForce: () => undefined,
    addressUses: async () =>
      [...uses].map((ip) => ({ ip, kind: "interface", interface: "eth0", namespace: "/run/netns/pod" }) as const),
  });
  await endpoint.listen({ host: "127.0.0.1", port: 0 });
  const { port } = endpoint.server.address() as AddressInfo;
  const lease = new AgentLease({ node, client, clock: systemClock, logger: quiet });
  lease.publish({ url: `https://127.0.0.1:${port}`, certificate: keyPair.certificate });
  lease.start();
  const agent: RunningAgent = {
    stop: async () => {
      agents.delete(agent);
      await Promise.all([endpoint.close(), lease.stop()]);
    },
  };
  agents.add(agent);
  return agent;
}

async function makeNode(node: NodeName): Promise<void> {
  await client.request("POST", resourcePath(nodeKind), {
    body: { apiVersion: "v1", kind: "Node", metadata: { name: node } },
  });
  const status = { addresses: [{ type: "InternalIP", address: "127.0.0.1" }] };
  await client.patch(`${resourcePath(nodeKind, { name: node })}/status`, { status }, { type: "merge" });
}

/** A pod of the healthy node, of whose address nothing is known yet. */
async function makePod(name: string): Promise<void> {
  const metadata = { name, namespace: "default" };
  const spec = { nodeName: nodes.healthy, containers: [{ name: "c", image: "none" }] };
  const body = { apiVersion: "v1", kind: "Pod", metadata, spec };
  await client.request("POST", resourcePath(podKind, { namespace: "default" }), { body });
}

async function tellAddress(pod: string, ip: Ip): Promise<void> {
  const status = { phase: "Running", podIP: ip, podIPs: [{ ip }] };
  const path = resourcePath(podKind, { namespace: "default", name: pod });
  await client.patch(`${path}/status`, { status }, { type: "merge" });
}

/** An address for a pod of this name, as the CNI gives it. */
async function assign(node: NodeName, pod: string): Promise<Ip> {
  const allocator = new Allocator({ store, node, clock: systemClock });
  const attributes = { pod, namespace: "default", node };
  const [one] = await allocator.assign({ handle: `k8s-pod-network.${pod}`, v4: 1, v6: 0, attributes });
  if (one === undefined) throw new Error("no address was given");
  return one.ip;
}

/** Sets this in the controllers' settings. */
async function configure(spec: object): Promise<void> {
  await client.patch(configurationPath, { spec }, { type: "merge" });
}

async function blocks(): Promise<readonly IpamBlock[]> {
  return (await store.blocks.list()).map(({ value }) => value);
}

async function blocksOf(node: NodeName): Promise<readonly IpamBlock[]> {
  return (await blocks()).filter(({ spec }) => spec.affinity === `host:${node}`);
}

/** The addresses given out, with their handles. */
async function held(): Promise<ReadonlyMap<Ip, string>> {
  return new Map((await blocks()).flatMap(allocationsOf).map(({ ip, attribute }) => [ip, attribute.handle_id ?? ""]));
}

async function heldAddresses(): Promise<readonly Ip[]> {
  return [...(await held()).keys()].toSorted();
}

/** How many times the survivor has asked this node in vain. */
async function unanswered(node: NodeName): Promise<number> {
  const lines = (await survivor.log()).split("\n").filter((line) => line.includes("no answer from a node's agent"));
  return lines.filter((line) => (JSON.parse(line) as { readonly node?: string }).node === node).length;
}

/** An instance's figures by their names with labels; undefined when it serves none there. */
async function scrape({ metricsAddress }: Instance): Promise<ReadonlyMap<string, number> | undefined> {
  const answer = await fetch(`http://${metricsAddress}:${metricsPort}/metrics`).catch(() => undefined);
  if (answer === undefined) return undefined;
  const lines = (await answer.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

async function leader(): Promise<string | undefined> {
  const path = resourcePath(leaseKind, { namespace: systemNamespace, name: "margay-controllers" });
  const lease = await readIfThere<{ readonly spec: { readonly holderIdentity?: string } }>(client, path);
  return lease?.spec.holderIdentity;
}

function leasePath(node: NodeName): string {
  return resourcePath(leaseKind, { namespace: systemNamespace, name: agentLeaseName(node) });
}

async function events(): Promise<readonly string[]> {
  const list = await client.request<{ readonly items: readonly { readonly reason: string }[] }>(
    "GET",
    resourcePath(eventKind),
  );
  return list.items.map(({ reason }) => reason);
}

function configuration(): Promise<ConfigurationJson | undefined> {
  return readIfThere<ConfigurationJson>(client, configurationPath);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { AgentLease } from "../../src/agent/agent-lease.ts";
import { makeQueryServer } from "../../src/agent/query-server.ts";
import { TokenCheck } from "../../src/agent/token-check.ts";
import type { IpamBlock } from "../../src/api/ipam-block.ts";
import type { NodeName } from "../../src/api/names.ts";
import { agentServerName } from "../../src/api/node-query.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { makeSelfSigned } from "../../src/host/self-signed.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { allocationsOf } from "../../src/ipam/block.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import type { Ip } from "../../src/net/ip.ts";

/**
 * Real controllers processes with the rights of manifests/controllers.yaml, a real API server, and one agent's endpoint
 * whose kernel is the test.
 */
const root = join(import.meta.dirname, "../..");
const main = join(root, "src/cli/main.ts");
const node = "node-1" as NodeName;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const patience = { timeoutMs: 110_000 };

let folder: string;
let plane: ControlPlane;
let client: KubeClient;
let store: KubeIpamStore;
let allocator: Allocator;
let endpoint: FastifyInstance;
let lease: AgentLease;
/** What node-1 uses. */
const inUse = new Set<Ip>();
const processes = new Set<Instance>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-controllers-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["apply", "-f", join(root, "crds"), "-f", join(root, "manifests/controllers.yaml")]);
  // Without the APIService: there is no Service network here to reach the query API by.
  const query = (await readFile(join(root, "manifests/query-api.yaml"), "utf8")).split(/^---$/m);
  await plane.kubectl(["apply", "-f", "-"], query.filter((text) => !text.includes("kind: APIService")).join("---"));
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  await plane.kubectl(["apply", "-f", "-"], pool);
  await makeNode();
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  store = new KubeIpamStore({ client, onRejected: ({ reason }) => expect.unreachable(reason) });
  allocator = new Allocator({ store, node, clock: systemClock });
  await startAgent();
});

afterAll(async () => {
  for (const one of processes) await one.kill();
  await endpoint?.close();
  await lease?.stop();
  client?.close();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("one process leads; when it is killed another takes over and makes the settings", async () => {
  const first = await startControllers("first");
  await until("the first leads", async () => (await leader())?.startsWith("first_"));
  const second = await startControllers("second");
  await until("the second follows", async () => (await second.log()).includes("follows the API server"));
  expect(await leader()).toMatch(/^first_/);
  await first.kill();
  await until("the second leads", async () => (await leader())?.startsWith("second_"));
  expect(await second.log()).toContain("this process leads");
  await until("the settings are there", async () => {
    await plane.kubectl(["get", "kubecontrollersconfiguration", "default"]);
    return true;
  });
});

test("an address that really leaked is freed after its grace period; one in use, or of a living pod, is kept", async () => {
  const [leaked, used, living] = [await assign("leaked"), await assign("used"), await assign("living")];
  await makePod("living", living);
  const pending = await assign("pending");
  await makePod("pending", undefined);
  inUse.add(used);
  await setGrace("3s");
  await until("the leaked address is freed", async () => !(await held()).has(leaked));
  await until("the used one was looked at", async () => (await events()).includes("IPAMAddressStillInUse"));
  expect([...(await held()).keys()]).toEqual(expect.arrayContaining([used, living, pending]));
  const { annotations } = (await blocks())[0]?.metadata ?? {};
  expect(JSON.stringify(annotations)).toContain("pod gone");
  // Once the node uses it no more, it goes too.
  inUse.delete(used);
  await until("the other is freed", async () => !(await held()).has(used));
  expect([...(await held()).keys()].toSorted()).toEqual([living, pending].toSorted());
});

test("nothing is freed while the node does not answer", async () => {
  await endpoint.close();
  const ip = await assign("silent");
  const said = `no answer from a node's agent`;
  const [instance] = [...processes].slice(-1);
  await until("the node was asked", async () => (await instance?.log())?.includes(said));
  await systemClock.sleep(5_000);
  expect((await held()).has(ip)).toBe(true);
  await startAgent();
  await until("it answers again", async () => !(await held()).has(ip));
});

test("many at once are held back, and freed by their approval", async () => {
  const ips: Ip[] = [];
  for (let index = 0; index < 15; index++) ips.push(await assign(`many-${index}`));
  await until("the condition", async () => (await configuration()).includes("IPAMGarbageCollectionHeld"));
  await until("the event", async () => (await events()).includes("IPAMGarbageCollectionHeld"));
  // Pass after pass.
  await systemClock.sleep(5_000);
  expect([...(await held()).keys()]).toEqual(expect.arrayContaining(ips));
  const { id } = JSON.parse(await configuration()).status.heldRelease;
  await run([process.execPath, main, "ipam", "approve", "--id", id, "--kubeconfig", plane.kubeconfig]);
  await until("they are freed", async () => {
    const now = await held();
    return ips.every((ip) => !now.has(ip));
  });
  await until("nothing is held any more", async () => !/Held|heldRelease|approved/.test(await configuration()));
  expect((await held()).size).toBe(2);
});

test("a node that is gone keeps its addresses while its agent lives, and then loses them with its block", async () => {
  const ip = await assign("with-the-node");
  await plane.kubectl(["delete", "node", node, "--now"]);
  await systemClock.sleep(45_000);
  expect((await held()).has(ip)).toBe(true);
  await endpoint.close();
  await lease.stop();
  await plane.kubectl(["delete", "pods", "--all", "--force", "--grace-period=0"]);
  await until("its addresses and block are gone", async () => (await blocks()).length === 0);
  expect(await store.affinitiesOf(node)).toEqual([]);
  // Every right it needs it has.
  for (const instance of processes) expect(await instance.log()).not.toMatch(/forbidden/i);
}, 240_000);

// --- internal ---

interface Instance {
  log(): Promise<string>;
  kill(): Promise<void>;
}

const pool = JSON.stringify({
  ...{ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "pool" } },
  spec: { cidr: "10.66.0.0/24", blockSize: 26 },
});

async function until(what: string, holds: () => Promise<boolean | undefined>): Promise<void> {
  await waitFor(what, patience, async () => (await holds()) || undefined);
}

async function startControllers(identity: string): Promise<Instance> {
  const user = "system:serviceaccount:margay-system:margay-controllers";
  const kubeconfig = await plane.addUser(user, ["system:serviceaccounts", "system:serviceaccounts:margay-system"]);
  const file = join(folder, `${identity}.log`);
  const argv = [main, "controllers", "--identity", identity, "--kubeconfig", kubeconfig, "--log-level", "debug"];
  const port = String(await freePort());
  const child: ChildProcess = spawn(process.execPath, [...argv, "--query-address", "127.0.0.1", "--query-port", port], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = createWriteStream(file);
  child.stdout?.pipe(output, { end: false });
  child.stderr?.pipe(output, { end: false });
  const instance: Instance = {
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

/** node-1's endpoint as its agent serves it, and its Lease. */
async function startAgent(): Promise<void> {
  const keyPair = await makeSelfSigned(new LinuxHost(), agentServerName);
  endpoint = makeQueryServer({
    ...{ node, keyPair, logger: quiet, tokens: new TokenCheck(client, systemClock) },
    addressUses: async () =>
      [...inUse].map((ip) => ({ ip, kind: "interface", interface: "eth0", namespace: "/run/netns/pod" }) as const),
  });
  await endpoint.listen({ host: "127.0.0.1", port: 0 });
  const { port } = endpoint.server.address() as AddressInfo;
  await lease?.stop();
  lease = new AgentLease({ node, client, clock: systemClock, logger: quiet });
  lease.publish({ url: `https://127.0.0.1:${port}`, certificate: keyPair.certificate });
  lease.start();
}

async function makeNode(): Promise<void> {
  await plane.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: node } }),
  );
  const status = { addresses: [{ type: "InternalIP", address: "127.0.0.1" }] };
  await plane.kubectl(["patch", "node", node, "--subresource=status", `--patch=${JSON.stringify({ status })}`]);
}

async function makePod(name: string, ip: Ip | undefined): Promise<void> {
  const metadata = { name, namespace: "default" };
  const spec = { nodeName: node, containers: [{ name: "c", image: "none" }] };
  await plane.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec }));
  if (ip === undefined) return;
  const status = { phase: "Running", podIP: ip, podIPs: [{ ip }] };
  await plane.kubectl(["patch", "pod", name, "--subresource=status", `--patch=${JSON.stringify({ status })}`]);
}

/** An address for a pod of this name, as the CNI gives it. */
async function assign(pod: string): Promise<Ip> {
  const attributes = { pod, namespace: "default", node };
  const [one] = await allocator.assign({ handle: `k8s-pod-network.${pod}`, v4: 1, v6: 0, attributes });
  if (one === undefined) throw new Error("no address was given");
  return one.ip;
}

async function setGrace(leakGracePeriod: string): Promise<void> {
  const patch = { spec: { controllers: { node: { leakGracePeriod } } } };
  const argv = ["patch", "kubecontrollersconfiguration", "default", "--type=merge"];
  await plane.kubectl([...argv, `--patch=${JSON.stringify(patch)}`]);
}

async function blocks(): Promise<readonly IpamBlock[]> {
  return (await store.blocks.list()).map(({ value }) => value);
}

/** The addresses given out, with their handles. */
async function held(): Promise<ReadonlyMap<Ip, string>> {
  return new Map((await blocks()).flatMap(allocationsOf).map(({ ip, attribute }) => [ip, attribute.handle_id ?? ""]));
}

async function leader(): Promise<string | undefined> {
  const found = await plane.kubectl(
    ["get", "lease", "margay-controllers", "-n", "margay-system", "-o", "jsonpath={.spec.holderIdentity}"].concat(
      "--ignore-not-found",
    ),
  );
  return found === "" ? undefined : found;
}

function events(): Promise<string> {
  return plane.kubectl(["get", "events.events.k8s.io", "-A", "-o", "jsonpath={.items[*].reason}"]);
}

function configuration(): Promise<string> {
  return plane.kubectl(["get", "kubecontrollersconfiguration", "default", "-o", "json"]);
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

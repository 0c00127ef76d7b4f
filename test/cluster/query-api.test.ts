import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { inNamespace } from "../../lab/fabric.ts";
import { nodeNamed } from "../../lab/layout.ts";
import { inNode, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { processesOf } from "../../lab/processes.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import type { NodeName } from "../../src/api/names.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { HttpsKubeClient } from "../../src/kube/https-client.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import type { Ip } from "../../src/net/ip.ts";

const name = "labquery";
const raw = "/apis/query.margay.io/v1/nodeaddresses/node-1";
const patience = { timeoutMs: 60_000, everyMs: 200 };
const script = join(import.meta.dirname, "ask-agent.ts");
const main = join(import.meta.dirname, "../../src/cli/main.ts");

let lab: Lab;

beforeAll(async () => {
  lab = await startLab({ name, nodes: 1, progress: () => undefined });
  await publishedLease();
});

afterAll(async () => {
  await removeLab(name);
  expect(processesOf(`/var/tmp/margay-lab/${name}`)).toEqual([]);
});

interface AgentLease {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>>; readonly ownerReferences?: unknown };
  readonly spec: { readonly holderIdentity: string; readonly renewTime: string };
}

async function agentLease(): Promise<AgentLease> {
  const argv = ["get", "lease", "margay-agent.node-1", "--namespace=margay-system", "--output=json"];
  return JSON.parse(await lab.kubectl(argv)) as AgentLease;
}

/** The Lease, once it says where the agent answers. */
function publishedLease(): Promise<AgentLease> {
  return waitFor("the agent's endpoint", patience, async () => {
    const lease = await agentLease();
    return lease.metadata.annotations["query.margay.io/certificate"] === undefined ? undefined : lease;
  });
}

async function tokenOf(account: string, ...argv: readonly string[]): Promise<string> {
  return (await lab.kubectl(["create", "token", account, ...argv])).trim();
}

/** Asks the agent itself from where the controllers are; the status. */
async function statusFor(token: string): Promise<number> {
  const { annotations } = (await agentLease()).metadata;
  const asked = {
    url: annotations["query.margay.io/endpoint"],
    certificate: annotations["query.margay.io/certificate"],
    token,
  };
  const said = await inNamespace(lab.layout.control, [process.execPath, script, JSON.stringify(asked)]);
  return (JSON.parse(said) as { status: number }).status;
}

interface NodeAddresses {
  readonly addresses: readonly { readonly ip: string; readonly kind: string; readonly pod?: string }[];
}

async function addresses(query = ""): Promise<NodeAddresses["addresses"]> {
  return (JSON.parse(await lab.kubectl(["get", "--raw", `${raw}${query}`])) as NodeAddresses).addresses;
}

/** Writes a Lease with a token. Rejects with what the API server says. */
function writeLease(token: string, leaseName: string): Promise<unknown> {
  const body = { metadata: { name: leaseName }, spec: { holderIdentity: "a test" } };
  return post(token, "/apis/coordination.k8s.io/v1/namespaces/margay-system/leases", body);
}

/** Writes an event as agents do. Rejects with what the API server says. */
function writeEvent(token: string, kind: string, regarded: string): Promise<unknown> {
  const [controller, instance] = ["margay.io/agent", "a test"];
  const body = {
    metadata: { generateName: "tested-", namespace: "default" },
    regarding: { apiVersion: "v1", kind, name: regarded },
    ...{ type: "Normal", reason: "Tested", action: "Tested", note: "tested", eventTime: "2026-01-01T00:00:00.000000Z" },
    ...{ reportingController: controller, reportingInstance: instance },
  };
  return post(token, "/apis/events.k8s.io/v1/namespaces/default/events", body);
}

async function post(token: string, path: string, body: object): Promise<unknown> {
  const [{ cluster }] = JSON.parse(readFileSync(lab.kubeconfig, "utf8")).clusters;
  const tls = { ca: Buffer.from(cluster["certificate-authority-data"], "base64") };
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}` }, tls });
  const client = new HttpsKubeClient({ server: cluster.server, credentials, clock: systemClock });
  try {
    return await client.request("POST", path, { body });
  } finally {
    client.close();
  }
}

interface NodeBgp {
  readonly daemon?: object;
  readonly history: readonly { readonly text: string }[];
  readonly routes: readonly object[];
}

/** An address of node-1 whose pod is not there. */
async function leakedAddress(pod: string): Promise<Ip> {
  const client = await connect({ kubeconfig: lab.kubeconfig, clock: systemClock });
  const store = new KubeIpamStore({ client, onRejected: ({ reason }) => expect.fail(reason) });
  const node = "node-1" as NodeName;
  const attributes = { pod, namespace: "default", node, timestamp: "2026-01-01T00:00:00Z" };
  const request = { handle: `k8s-pod-network.${pod}`, v4: 1, v6: 0, attributes };
  const [given] = await new Allocator({ store, node, clock: systemClock }).assign(request);
  client.close();
  if (given === undefined) throw new Error(`Cannot test: pod ${pod} was given nothing`);
  return given.ip;
}

interface Ended {
  readonly exitCode: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function release(ip: Ip): Promise<Ended> {
  return margay(["ipam", "release", "--ip", ip]);
}

/** Runs our command as an administrator anywhere would. */
function margay(argv: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...argv, "--kubeconfig", lab.kubeconfig], (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

test("an agent accepts the controllers' token for agents, and no other", async () => {
  const system = "--namespace=margay-system";
  const forAgents = "--audience=margay-agent";
  expect(await statusFor(await tokenOf("margay-controllers", system, forAgents))).toBe(200);
  expect(await statusFor(await tokenOf("margay-controllers", system))).toBe(401);
  expect(await statusFor(await tokenOf("margay-controllers", system, "--audience=others"))).toBe(401);
  expect(await statusFor(await tokenOf("margay-agent", system, forAgents))).toBe(403);
  expect(await statusFor(await tokenOf("default", "--namespace=default", forAgents))).toBe(403);
  expect(await statusFor("nonsense")).toBe(401);
  expect(await statusFor("")).toBe(401);
});

test("tells a node's addresses through kube-apiserver, to whom a role lets", async () => {
  const pod = {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "asked", namespace: "default" } },
    spec: { containers: [{ name: "c", image: "lab/echo" }] },
  };
  await lab.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
  await lab.kubectl(["wait", "--for=condition=Ready", "pod/asked", "--timeout=60s"]);
  const ip = await lab.kubectl(["get", "pod", "asked", "--output=jsonpath={.status.podIP}"]);
  const own = await addresses(`?ip=${ip}&ip=10.255.255.255`);
  expect(own.map(({ kind }) => kind)).toEqual(["attachment", "interface", "route"]);
  expect(own.every((use) => use.ip === ip && use.pod === "default/asked")).toBe(true);
  expect((await addresses()).map((use) => use.ip)).toContain("172.18.1.11");
  expect(await lab.kubectl(["get", "nodeaddresses", "node-1"])).toMatch(
    new RegExp(`^ADDRESS +KIND +INTERFACE +NAMESPACE +POD[^]*\\n${ip} +route +cali\\w+ +host +default/asked`),
  );

  const asAlice = ["get", "--raw", raw, "--as=alice"];
  await expect(lab.kubectl(asAlice)).rejects.toThrow(/Forbidden|forbidden/);
  await lab.kubectl(["create", "clusterrolebinding", "alice", "--clusterrole=margay-query-reader", "--user=alice"]);
  await waitFor("alice's right", patience, async () => (await lab.kubectl(asAlice)) || undefined);
  await expect(lab.kubectl(["get", "nodeaddresses", "node-9"])).rejects.toThrow("(NotFound)");
});

interface NodePolicies {
  readonly pending: boolean;
  readonly policies: readonly { readonly id: string; readonly uid: string; readonly generation: number }[];
}

test("tells which policies a node's kernel holds, with the generation that it holds", async () => {
  const policy = (order: number) =>
    JSON.stringify({
      ...{
        apiVersion: "projectcalico.org/v3",
        kind: "NetworkPolicy",
        metadata: { name: "told", namespace: "default" },
      },
      spec: { order, selector: "all()", ingress: [{ action: "Allow", protocol: "TCP", http: { methods: ["GET"] } }] },
    });
  const inForce = async (generation: number) => {
    const told = await waitFor(`generation ${generation} in the kernel`, patience, async () => {
      const { pending, policies } = JSON.parse(
        await lab.kubectl(["get", "--raw", raw.replace("nodeaddresses", "nodepolicies")]),
      ) as NodePolicies;
      return pending
        ? undefined
        : policies.find((one) => one.id === "np/default/told" && one.generation === generation);
    });
    return told;
  };
  await lab.kubectl(["apply", "-f", "-"], policy(1));
  const uid = await lab.kubectl([
    "get",
    "networkpolicies.projectcalico.org",
    "told",
    "--output=jsonpath={.metadata.uid}",
  ]);
  expect(await inForce(1)).toEqual({
    ...{ id: "np/default/told", tier: "default", staged: false, uid, generation: 1, endpoints: 1 },
    problems: [expect.stringContaining("HTTP requests")],
  });
  await lab.kubectl(["apply", "-f", "-"], policy(2));
  await inForce(2);
  expect(await lab.kubectl(["get", "nodepolicies", "node-1"])).toMatch(/\nnp\/default\/told +default +2 +1 +enforced/);
  await expect(lab.kubectl(["get", "nodepolicies", "node-1", "--as=bob"])).rejects.toThrow(/Forbidden|forbidden/);
  await lab.kubectl(["delete", "networkpolicies.projectcalico.org", "told"]);
});

test("tells how a node's BGP stands from any machine, by kubectl and by our own command", async () => {
  const bgp = raw.replace("nodeaddresses", "nodebgp");
  const answer = await waitFor("BIRD's answer", patience, async () => {
    const found = JSON.parse(await lab.kubectl(["get", "--raw", `${bgp}?history=100&routes=true`])) as NodeBgp;
    return found.daemon === undefined ? undefined : found;
  });
  expect(answer).toMatchObject({ kind: "NodeBgp", metadata: { name: "node-1" }, rejected: [], pending: [] });
  expect(answer.history.map(({ text }) => text)).toContainEqual(expect.stringMatching(/^BIRD 2\..* answers$/));
  expect(answer.routes.length).toBeGreaterThan(0);
  expect(await lab.kubectl(["get", "nodebgp", "node-1"])).toMatch(/^PEER +NODE +TYPE +STATE/);
  await expect(lab.kubectl(["get", "nodebgp", "node-1", "--as=bob"])).rejects.toThrow(/Forbidden|forbidden/);
  await expect(lab.kubectl(["get", "--raw", `${bgp}?peer=everybody`])).rejects.toThrow(/Cannot read peer of the query/);

  const shown = await margay(["node", "status", "node-1"]);
  expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Node node-1: BIRD 2\..* up for /) });
  const all = await margay(["node", "status", "--all", "-o", "json"]);
  expect(JSON.parse(all.stdout)).toMatchObject([
    { node: "node-1", daemon: { version: expect.stringMatching(/^2\./) } },
  ]);
  expect(await margay(["node", "status", "node-9"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(
      /^margay: Cannot see the BGP of node node-9: .*there is no such node.*kubectl get nodes/,
    ),
  });
});

test("a CalicoNodeStatus of the node is filled, and kept up to date", async () => {
  const status = (node: string) => ({
    ...{ apiVersion: "projectcalico.org/v3", kind: "CalicoNodeStatus", metadata: { name: node } },
    spec: { node, classes: ["Agent", "BGP", "Routes"], updatePeriodSeconds: 1 },
  });
  await lab.kubectl(["apply", "-f", "-"], JSON.stringify(status("node-1")));
  const filled = await waitFor("a filled status", patience, async () => {
    const text = await lab.kubectl(["get", "caliconodestatuses", "node-1", "--output=jsonpath={.status}"]);
    return text.includes('"numberEstablishedV4":1') ? (JSON.parse(text) as object) : undefined;
  });
  expect(filled).toMatchObject({
    agent: { birdV4: { state: expect.stringMatching(/^(Not)?Ready$/), version: expect.stringMatching(/^2\./) } },
    bgp: { numberNotEstablishedV4: 0, peersV4: [{ state: "Established" }] },
    routes: { routesV4: expect.any(Array) },
    lastUpdated: expect.stringMatching(/Z$/),
  });
  await lab.kubectl(["delete", "caliconodestatuses", "node-1"]);
});

test("an agent writes events about Nodes only, and with a bound token about its own", async () => {
  await lab.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: "node-7" } }),
  );
  const unbound = await tokenOf("margay-agent", "--namespace=margay-system");
  const bound = await tokenOf(
    "margay-agent",
    "--namespace=margay-system",
    "--bound-object-kind=Node",
    "--bound-object-name=node-7",
  );
  await expect(writeEvent(unbound, "Pod", "web")).rejects.toThrow("an agent writes no events but its own, about Nodes");
  await expect(writeEvent(bound, "Node", "node-8")).rejects.toThrow(
    "an agent writes events about the Node that it runs on only",
  );
  await expect(writeEvent(bound, "Node", "node-7")).resolves.toMatchObject({ kind: "Event" });
  await expect(writeEvent(unbound, "Node", "node-8")).resolves.toMatchObject({ kind: "Event" });
  await lab.kubectl(["delete", "node", "node-7"]);
});

test("an address outlives its container's records: the namespace itself is asked", async () => {
  const node = nodeNamed(lab.layout, "node-1");
  await inNode(lab.layout, node, ["ip", "netns", "add", "foreign"]);
  await inNode(lab.layout, node, ["ip", "-n", "foreign", "link", "add", "br0", "type", "bridge"]);
  await inNode(lab.layout, node, ["ip", "-n", "foreign", "address", "add", "192.168.77.7/24", "dev", "br0"]);
  expect(await addresses("?ip=192.168.77.7")).toEqual([
    { ip: "192.168.77.7", kind: "interface", interface: "br0", namespace: "/run/netns/foreign" },
  ]);
  await inNode(lab.layout, node, ["ip", "netns", "del", "foreign"]);
  expect(await addresses("?ip=192.168.77.7")).toEqual([]);
});

test("an address is released by hand once its node says that nothing there has it", async () => {
  const ip = await leakedAddress("gone");
  const node = nodeNamed(lab.layout, "node-1");
  await inNode(lab.layout, node, ["ip", "netns", "add", "leftover"]);
  await inNode(lab.layout, node, ["ip", "-n", "leftover", "link", "add", "br0", "type", "bridge"]);
  await inNode(lab.layout, node, ["ip", "-n", "leftover", "address", "add", `${ip}/32`, "dev", "br0"]);
  expect(await release(ip)).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: `margay: Cannot release IP address ${ip}: node node-1 uses it: interface br0 in /run/netns/leftover. If you are sure that nothing uses it: --force\n`,
  });
  await inNode(lab.layout, node, ["ip", "netns", "del", "leftover"]);
  expect(await release(ip)).toEqual({ exitCode: 0, stdout: `Successfully released IP address ${ip}\n`, stderr: "" });
  expect(await release(ip)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("it is not assigned") });
});

test("no agent, no answer; its Lease comes back when it was deleted, with another certificate after a restart", async () => {
  const node = nodeNamed(lab.layout, "node-1");
  const before = await agentLease();
  expect(before.metadata.ownerReferences).toBeUndefined();
  expect(before.spec.holderIdentity).toBe("node-1");
  const ip = await leakedAddress("unknown");
  await killDaemon(lab.layout, node, "agent", "down");
  await expect(addresses()).rejects.toThrow(/ServiceUnavailable|Cannot ask the agent of node node-1: .*ECONNREFUSED/);
  const kept = await release(ip);
  expect(kept).toMatchObject({ exitCode: 1, stdout: "" });
  expect(kept.stderr).toMatch(
    /^margay: Cannot release IP address [\d.]+: node node-1 could not be asked whether it uses it: .*\. See that margay controllers and the agent of node node-1 run, and try again\. If you are sure that nothing uses it: --force\n$/,
  );
  await lab.kubectl(["delete", "lease", "margay-agent.node-1", "--namespace=margay-system"]);
  await releaseDaemon(node, "agent");
  const after = await publishedLease();
  expect(after.metadata.annotations["query.margay.io/certificate"]).not.toBe(
    before.metadata.annotations["query.margay.io/certificate"],
  );
  expect((await waitFor("an answer", patience, () => addresses())).length).toBeGreaterThan(0);
});

test("an agent whose Node object was deleted goes on renewing its Lease, and answers", async () => {
  const before = await agentLease();
  await lab.kubectl(["delete", "node", "node-1"]);
  await waitFor("a renewed Lease", patience, async () => {
    const { spec } = await agentLease();
    return spec.renewTime === before.spec.renewTime ? undefined : true;
  });
  expect((await addresses()).length).toBeGreaterThan(0);
});

test("an agent's token that is bound to a node writes that node's Lease only; none writes another kind of Lease", async () => {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-7" } };
  await lab.kubectl(["apply", "-f", "-"], JSON.stringify(node));
  const toNode = ["--bound-object-kind=Node", "--bound-object-name=node-7"];
  const bound = await tokenOf("margay-agent", "--namespace=margay-system", ...toNode);
  await expect(writeLease(bound, "margay-agent.node-8")).rejects.toThrow(
    "an agent writes the Lease of its own node only, margay-agent.NODE",
  );
  await expect(writeLease(bound, "margay-agent.node-7")).resolves.toMatchObject({ kind: "Lease" });
  const unbound = await tokenOf("margay-agent", "--namespace=margay-system");
  await expect(writeLease(unbound, "leader-of-something")).rejects.toThrow(
    "an agent writes no Lease but margay-agent.NODE",
  );
  await lab.kubectl(["delete", "node", "node-7"]);
});

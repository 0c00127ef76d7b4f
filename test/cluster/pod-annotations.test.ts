/** What a node writes into the annotations of its Pods, by a real API server with the agent's real rights. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { type NodeLayout, nodeNamed } from "../../lab/layout.ts";
import { inNode, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import { type NamespacedName, namespacedName } from "../../src/api/names.ts";
import { annotatePod, emptyPodAddresses } from "../../src/kube/pod-status.ts";
import { agentClient } from "./agent-client.ts";

const name = "labannotations";
const patience = { timeoutMs: 60_000, everyMs: 100 };
const signal = new AbortController().signal;

let lab: Lab;
let node: NodeLayout;

beforeAll(async () => {
  lab = await startLab({ name, nodes: 2, progress: () => undefined });
  node = nodeNamed(lab.layout, "node-1");
  // Pods are wired by hand here, and nobody reports their addresses.
  await killDaemon(lab.layout, node, "runtime", "down");
});

afterAll(() => removeLab(name));

interface Annotated {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status: { readonly podIP?: string };
}

const apply = (object: object) => lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));

async function makePod(podName: string, { on = "node-1", app = podName } = {}): Promise<string> {
  const containers = [{ name: "echo", image: "lab/echo" }];
  const metadata = { name: podName, namespace: "default", labels: { app } };
  await apply({ apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: on, containers } });
  return (await read(podName)).metadata.uid;
}

async function read(podName: string): Promise<Annotated> {
  return JSON.parse(await lab.kubectl(["get", "pod", podName, "--output=json"])) as Annotated;
}

/** Upstream's three annotations and ours, without their prefixes. */
async function annotations(podName: string): Promise<Readonly<Record<string, string>>> {
  const all = Object.entries((await read(podName)).metadata.annotations ?? {});
  return Object.fromEntries(
    all.flatMap(([key, value]) => (key.startsWith("cni.") ? [[key.split("/")[1], value]] : [])),
  );
}

const annotated = (podName: string, containerId: string, ip: string) =>
  waitFor(`the annotations of ${podName}`, patience, async () => {
    const { containerID, podIP } = await annotations(podName);
    return (containerID === containerId && podIP === ip) || undefined;
  });

interface Call {
  readonly podName: string;
  readonly uid: string;
  readonly containerId: string;
}

/** What the real executable prints on node-1; the address that an ADD gave. Rejects when it fails. */
async function callCni(verb: "ADD" | "DEL", { podName, uid, containerId }: Call): Promise<string> {
  const netns = `by-hand-${containerId}`;
  if (verb === "ADD") {
    await inNode(lab.layout, node, ["ip", "netns", "add", netns]);
    onTestFinished(async () => {
      await inNode(lab.layout, node, ["ip", "netns", "del", netns]);
    });
  }
  const environment = [
    ...[`CNI_COMMAND=${verb}`, `CNI_CONTAINERID=${containerId}`, `CNI_NETNS=/run/netns/${netns}`, "CNI_IFNAME=eth0"],
    ...["CNI_PATH=/opt/cni/bin", `CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=${podName};K8S_POD_UID=${uid}`],
  ];
  const conf = {
    ...{ name: "k8s-pod-network", cniVersion: "1.0.0", type: "calico", datastore_type: "kubernetes" },
    ipam: { type: "calico-ipam" },
  };
  const printed = await inNode(lab.layout, node, ["env", ...environment, "/opt/cni/bin/calico"], JSON.stringify(conf));
  return verb === "ADD" ? ((JSON.parse(printed) as { ips: { address: string }[] }).ips[0]?.address ?? "") : "";
}

test("an ADD is told in upstream's annotations, and its DEL empties the addresses", async () => {
  const uid = await makePod("told");
  const sandbox = { podName: "told", uid, containerId: "told1" };
  const address = await callCni("ADD", sandbox);
  await annotated("told", "told1", address);
  expect(address).toMatch(/^192\.168\.\d+\.\d+\/32$/);
  expect(await annotations("told")).toEqual({
    containerID: "told1",
    podIP: address,
    podIPs: address,
    policyReadyMs: expect.stringMatching(/^\d+$/),
  });
  await callCni("DEL", sandbox);
  await annotated("told", "told1", "");
  expect(await annotations("told")).toMatchObject({ containerID: "told1", podIP: "", podIPs: "" });
});

test("another node knows the address by it before anybody has reported it", async () => {
  const policy = {
    podSelector: { matchLabels: { app: "guarded" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "early" } } }] }],
  };
  const metadata = { name: "from-early", namespace: "default" };
  await apply({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec: policy });
  await makePod("guarded", { on: "node-2" });
  await lab.kubectl(["wait", "--for=condition=Ready", "pod/guarded", "--timeout=60s"]);
  const uid = await makePod("early");
  const sandbox = { podName: "early", uid, containerId: "early1" };
  const address = await callCni("ADD", sandbox);
  const member = ` ${address.split("/")[0]}\n`;
  const sets = () => inNode(lab.layout, nodeNamed(lab.layout, "node-2"), ["ipset", "save"]);
  await waitFor("the address in a set of node-2", patience, async () => (await sets()).includes(member) || undefined);
  expect((await read("early")).status.podIP).toBeUndefined();
  await callCni("DEL", sandbox);
  await waitFor("its end there", patience, async () => !(await sets()).includes(member) || undefined);
});

test("a newer sandbox's annotations outlast the DEL of the older one", async () => {
  const uid = await makePod("twice");
  await callCni("ADD", { podName: "twice", uid, containerId: "twice1" });
  const address = await callCni("ADD", { podName: "twice", uid, containerId: "twice2" });
  await annotated("twice", "twice2", address);
  await callCni("DEL", { podName: "twice", uid, containerId: "twice1" });
  const client = await agentClient(lab);
  const identity = { pod: namespacedName("default", "twice"), uid, containerId: "twice1" };
  expect(await emptyPodAddresses(client, identity, { signal })).toBe("another");
  expect(await annotations("twice")).toMatchObject({ containerID: "twice2", podIP: address });
  await callCni("DEL", { podName: "twice", uid, containerId: "twice2" });
});

test("a pod made anew under the name, and one that is gone, are not written to", async () => {
  const client = await agentClient(lab);
  await makePod("anew");
  const write = (pod: NamespacedName, uid: string) =>
    annotatePod(client, { pod, uid }, { "cni.projectcalico.org/podIP": "192.0.2.1/32" }, { signal });
  const earlier = "00000000-0000-4000-8000-000000000000";
  expect(await write(namespacedName("default", "anew"), earlier)).toBe("another");
  expect(await annotations("anew")).toEqual({});
  expect(await write(namespacedName("default", "nobody"), earlier)).toBe("gone");
  const nobody = { pod: namespacedName("default", "nobody"), uid: earlier, containerId: "c" };
  expect(await emptyPodAddresses(client, nobody, { signal })).toBe("gone");
});

test("an agent that starts writes what is missing, and nothing that is right", async () => {
  const uids = { missing: await makePod("missing"), right: await makePod("right"), left: await makePod("left") };
  const sandboxes = Object.entries(uids).map(([podName, uid]) => ({ podName, uid, containerId: `${podName}1` }));
  const addresses = new Map<string, string>();
  for (const sandbox of sandboxes) addresses.set(sandbox.podName, await callCni("ADD", sandbox));
  for (const { podName, containerId } of sandboxes) {
    await annotated(podName, containerId, addresses.get(podName) ?? "");
  }
  const before = (await read("right")).metadata.resourceVersion;
  await killDaemon(lab.layout, node, "agent", "down");
  await lab.kubectl(["annotate", "pod", "missing", "cni.projectcalico.org/podIPs-", "cni.projectcalico.org/podIP-"]);
  // Kept on the disk: the agent that starts carries it out.
  await callCni("DEL", { podName: "left", uid: uids.left, containerId: "left1" });
  await releaseDaemon(node, "agent");
  await annotated("missing", "missing1", addresses.get("missing") ?? "");
  await annotated("left", "left1", "");
  expect((await read("right")).metadata.resourceVersion).toBe(before);
  for (const sandbox of sandboxes) await callCni("DEL", sandbox);
});

test("the agent's role lets it write nothing else of a pod", async () => {
  await makePod("kept");
  const client = await agentClient(lab);
  const path = "/api/v1/namespaces/default/pods/kept";
  const patch = (where: string, body: object) => client.patch(where, body, { type: "merge" });
  const status = `${path}/status`;
  const own = { "cni.projectcalico.org/podIP": "192.0.2.1/32" };
  await patch(status, { metadata: { annotations: own } });
  for (const body of [
    { metadata: { labels: { app: "another" } } },
    { metadata: { annotations: { other: "value" } } },
    { metadata: { finalizers: ["example.com/hold"] } },
    { status: { podIP: "192.0.2.1", podIPs: [{ ip: "192.0.2.1" }] } },
    { status: { phase: "Failed" } },
  ]) {
    await expect(patch(status, body), JSON.stringify(body)).rejects.toThrow(/ValidatingAdmissionPolicy/);
  }
  await expect(patch(path, { metadata: { annotations: own } })).rejects.toThrow(/cannot patch resource "pods"/);
});

test("a token of an agent's pod is good for the pods of its own node alone", async () => {
  await makePod("here");
  await makePod("there", { on: "node-2" });
  // A pod of the agent's account, as a DaemonSet makes them, and a token bound to it.
  const metadata = { name: "agent-pod", namespace: "margay-system" };
  const spec = { nodeName: "node-1", serviceAccountName: "margay-agent", containers: [{ name: "a", image: "a" }] };
  await apply({ apiVersion: "v1", kind: "Pod", metadata, spec });
  const bound = ["--bound-object-kind=Pod", "--bound-object-name=agent-pod"];
  const client = await agentClient(lab, ...bound);
  const write = (podName: string) =>
    client.patch(
      `/api/v1/namespaces/default/pods/${podName}/status`,
      { metadata: { annotations: { "cni.projectcalico.org/podIP": "192.0.2.1/32" } } },
      { type: "merge" },
    );
  await write("here");
  await expect(write("there")).rejects.toThrow("an agent writes to the pods of its own node only");
});

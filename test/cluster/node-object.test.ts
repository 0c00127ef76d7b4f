/** What a node's agent says on its own Node, by a real API server with the agent's real rights. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { nodeNamed } from "../../lab/layout.ts";
import { killDaemon, releaseDaemon } from "../../lab/node.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import type { NodeName } from "../../src/api/names.ts";
import { annotateNode, setNetworkCondition } from "../../src/kube/node-status.ts";
import { agentClient } from "./agent-client.ts";

const name = "labnodeobject";
const patience = { timeoutMs: 60_000, everyMs: 100 };
const signal = new AbortController().signal;
const own = "node-1" as NodeName;

let lab: Lab;

beforeAll(async () => {
  lab = await startLab({ name, nodes: 2, progress: () => undefined });
});

afterAll(() => removeLab(name));

interface NodeObject {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly status: { readonly conditions?: readonly Readonly<Record<string, string>>[] };
}

async function read(node: string): Promise<NodeObject> {
  return JSON.parse(await lab.kubectl(["get", "node", node, "--output=json"])) as NodeObject;
}

async function annotation(node: string, annotationName: string): Promise<string | undefined> {
  return (await read(node)).metadata.annotations?.[annotationName];
}

const address = "projectcalico.org/IPv4Address";

test("every node says the address of its BGP, and that its network stands", async () => {
  for (const { name: node, address: ip } of lab.layout.nodes) {
    await waitFor(`the address of ${node}`, patience, async () =>
      (await annotation(node, address)) === `${ip}/24` ? true : undefined,
    );
    const found = await waitFor(`the condition of ${node}`, patience, async () => {
      const { conditions = [] } = (await read(node)).status;
      return conditions.find(({ type }) => type === "NetworkUnavailable");
    });
    expect(found).toMatchObject({ status: "False", reason: "CalicoIsUp" });
  }
});

test("an address that a person writes counts, also for an agent that starts", async () => {
  const node = nodeNamed(lab.layout, "node-2");
  const value = `${node.address}/32`;
  await lab.kubectl(["annotate", "--overwrite", "node", "node-2", `${address}=${value}`]);
  await killDaemon(lab.layout, node, "agent", "down");
  await lab.kubectl(["annotate", "node", "node-1", `${address}-`]);
  await releaseDaemon(node, "agent");
  await killDaemon(lab.layout, nodeNamed(lab.layout, own), "agent");
  // Both have started anew by the time that the one that was taken away is there again.
  await waitFor("the address of node-1", patience, async () => (await annotation(own, address)) ?? undefined);
  expect(await annotation("node-2", address)).toBe(value);
});

test("the agent's role lets it write nothing else of a Node", async () => {
  const client = await agentClient(lab);
  const patch = (path: string, body: object) => client.patch(path, body, { type: "merge" });
  const status = "/api/v1/nodes/node-1/status";
  await annotateNode(client, own, { "bgp.margay.io/settled": "x" }, signal);
  expect(await annotation(own, "bgp.margay.io/settled")).toBe("x");
  await annotateNode(client, own, { "bgp.margay.io/settled": null }, signal);
  expect(await annotation(own, "bgp.margay.io/settled")).toBeUndefined();
  const ready = { type: "Ready", status: "True", reason: "x", message: "x" };
  for (const body of [
    { metadata: { labels: { rack: "2" } } },
    { metadata: { annotations: { other: "value" } } },
    { metadata: { annotations: { "projectcalico.org/RouteReflectorClusterID": "1.1.1.1" } } },
    { metadata: { finalizers: ["example.com/hold"] } },
    { status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] } },
    { status: { capacity: { cpu: "4" } } },
    { status: { conditions: [ready] } },
  ]) {
    await expect(patch(status, body), JSON.stringify(body)).rejects.toThrow(/ValidatingAdmissionPolicy/);
  }
  const annotations = { [address]: "192.0.2.1/24" };
  await expect(patch("/api/v1/nodes/node-1", { metadata: { annotations } })).rejects.toThrow(/cannot patch resource/);
});

test("a token of an agent's pod is good for its own Node alone", async () => {
  const metadata = { name: "agent-pod", namespace: "margay-system" };
  const spec = { nodeName: own, serviceAccountName: "margay-agent", containers: [{ name: "a", image: "a" }] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec };
  await lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(pod));
  const client = await agentClient(lab, "--bound-object-kind=Pod", "--bound-object-name=agent-pod");
  const condition = { isUnavailable: false, reason: "CalicoIsUp", message: "Up." };
  const options = { now: "2026-01-02T03:04:05Z", signal };
  await setNetworkCondition(client, own, condition, options);
  const other = setNetworkCondition(client, "node-2" as NodeName, condition, options);
  await expect(other).rejects.toThrow("an agent writes to the Node that it runs on only");
});

/** Who may write what a node tells of its BGP, by a real API server with the agent's real rights. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { calicoNodeStatusKind, resourcePath } from "../../src/api/kinds.ts";
import { agentClient } from "./agent-client.ts";

const root = resolve(import.meta.dirname, "../..");

let folder: string;
let plane: ControlPlane;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-node-report-"));
  plane = await startControlPlane({ folder, components: "api" });
  const files = ["crds/projectcalico.org_caliconodestatuses.yaml", "manifests/agent-rbac.yaml"];
  await plane.kubectl(["apply", "--server-side", ...files.map((file) => `--filename=${join(root, file)}`)]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const metadata = { name: "agent-pod", namespace: "margay-system" };
  const spec = { nodeName: "node-1", serviceAccountName: "margay-agent", containers: [{ name: "a", image: "a" }] };
  for (const object of [
    { apiVersion: "v1", kind: "Node", metadata: { name: "node-1" } },
    { apiVersion: "v1", kind: "Pod", metadata, spec },
    report("node-1"),
    report("node-2"),
  ]) {
    await plane.kubectl(["create", "--filename=-"], JSON.stringify(object));
  }
}, 180_000);

afterAll(async () => {
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("an agent writes the status and nothing else, and with its pod's token that of its own node's alone", async () => {
  const bound = await agent("--bound-object-kind=Pod", "--bound-object-name=agent-pod");
  const unbound = await agent();
  await bound.write("node-1", "/status");
  await unbound.write("node-2", "/status");
  await expect(bound.write("node-2", "/status")).rejects.toThrow("an agent tells of its own node only");
  await expect(unbound.write("node-2", "")).rejects.toThrow('cannot patch resource "caliconodestatuses"');
  const path = "--output=jsonpath={.items[*].status.agent.birdV4.version}";
  expect(await plane.kubectl(["get", "caliconodestatuses", path])).toBe("2.0.12 2.0.12");
});

// --- internal ---

function report(node: string) {
  const { group, version, kind } = calicoNodeStatusKind;
  return { apiVersion: `${group}/${version}`, kind, metadata: { name: node }, spec: { node, classes: ["Agent"] } };
}

/** Writes with an agent's rights. */
async function agent(...bound: readonly string[]) {
  const client = await agentClient(plane, ...bound);
  const write = async (node: string, subresource: string) => {
    const path = resourcePath(calicoNodeStatusKind, { name: node });
    const status = { agent: { birdV4: { state: "Ready", version: "2.0.12" } } };
    await client.patch(`${path}${subresource}`, { status }, { type: "merge" });
  };
  return { write };
}

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";

const root = join(import.meta.dirname, "../..");
const numbers = [1, 2, 3];

let folder: string;
let plane: ControlPlane;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-bgp-plan-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["apply", "-f", join(root, "crds")]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const pool = custom("IPPool", "all", { cidr: "192.168.0.0/16" });
  const file = await write("cluster.json", [
    pool,
    ...numbers.flatMap((number) => [nodeObject(number), blockOf(number)]),
  ]);
  await plane.kubectl(["apply", "--validate=false", "-f", file]);
  for (const number of numbers) {
    const patch = JSON.stringify({ status: { addresses: [{ type: "InternalIP", address: `172.18.1.${number}` }] } });
    await plane.kubectl([
      "patch",
      "node",
      `node-${number}`,
      "--subresource=status",
      "--type=merge",
      `--patch=${patch}`,
    ]);
  }
});

afterAll(async () => {
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a change that cuts nodes off ends with 2 and names them, and changes nothing", async () => {
  const file = await write("off.json", [custom("BGPConfiguration", "default", { nodeToNodeMeshEnabled: false })]);
  const { exitCode, stdout } = await plan("-f", file);
  expect(exitCode).toBe(2);
  expect(stdout).toContain("Sessions that come up: 0, now 3");
  expect(stdout).toContain("  node-2 would no longer reach node-1, node-3\n");
  expect(await plane.kubectl(["get", "bgpconfigurations", "-o", "name"])).toBe("");
});

test("reflectors in the mesh's place end with 0: annotations and labels of Nodes count as they would be applied", async () => {
  const file = await write("reflectors.json", [
    custom("BGPConfiguration", "default", { nodeToNodeMeshEnabled: false }),
    custom("BGPPeer", "reflectors", { nodeSelector: "all()", peerSelector: "has(reflector)" }),
    {
      ...{ apiVersion: "v1", kind: "Node" },
      metadata: {
        name: "node-3",
        labels: { reflector: "" },
        annotations: { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" },
      },
    },
  ]);
  const { exitCode, stdout, stderr } = await plan("-f", file, "-o", "json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ established: { before: 3, after: 2 }, lost: [], down: [], remarks: [] });
});

test("a node that comes with its address joins the mesh, and one that is deleted leaves it", async () => {
  const status = { addresses: [{ type: "InternalIP", address: "172.18.1.4" }] };
  const file = await write("node-4.json", [{ ...nodeObject(4), status }]);
  const { exitCode, stdout } = await plan("-f", file, "--delete", "node/node-1");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("node-2: 1 added (Mesh_172_18_1_4), 1 removed (Mesh_172_18_1_1)\n");
});

test("a password whose Secret is missing is told of as the reason", async () => {
  const nodeMeshPassword = { secretKeyRef: { name: "bgp-secrets", key: "mesh" } };
  const file = await write("password.json", [custom("BGPConfiguration", "default", { nodeMeshPassword })]);
  const { exitCode, stdout } = await plan("-f", file);
  expect(exitCode).toBe(2);
  expect(stdout).toContain("there is no Secret margay-system/bgp-secrets");
});

test("what the API server would refuse ends with 1, and so does deleting what is not there", async () => {
  const file = await write("bad.json", [custom("BGPPeer", "bad", { peerIP: "172.18.1.9", peerSelector: "all()" })]);
  const refused = await plan("-f", file);
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toContain("cannot both be given");
  expect(await plan("--delete", "bgppeer/none")).toMatchObject({
    ...{ exitCode: 1, stdout: "", stderr: "margay: Cannot plan without bgppeer/none: there is none\n" },
  });
  expect((await plan("--delete", "pod/none")).stderr).toContain("it must be KIND/NAME");
});

// --- internal ---

function custom(kind: string, name: string, spec: object): object {
  return { apiVersion: "projectcalico.org/v3", kind, metadata: { name }, spec };
}

function nodeObject(number: number): object {
  return { apiVersion: "v1", kind: "Node", metadata: { name: `node-${number}` } };
}

function blockOf(number: number): object {
  const cidr = `192.168.${number}.0/26`;
  const spec = { cidr, affinity: `host:node-${number}`, allocations: Array.from({ length: 64 }, () => null) };
  const unallocated = Array.from({ length: 64 }, (_, ordinal) => ordinal);
  return custom("IPAMBlock", cidr.replaceAll(/[./]/g, "-"), { ...spec, unallocated, attributes: [] });
}

async function write(name: string, items: readonly object[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return path;
}

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function plan(...argv: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const command = ["bgp", "plan", ...argv, "--kubeconfig", plane.kubeconfig];
    execFile(join(root, "bin/margay"), command, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

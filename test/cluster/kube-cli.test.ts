import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";

const root = join(import.meta.dirname, "../..");

let folder: string;
let plane: ControlPlane;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-cli-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["apply", "-f", join(root, "crds")]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
});

afterAll(async () => {
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("apply creates, leaves alone and changes; get shows; delete removes", async () => {
  const file = await write("pool.yaml", poolYaml("blue", "10.5.0.0/16"));
  expect(await margay("apply", "-f", file)).toMatchObject({ exitCode: 0, stdout: "ippool/blue created\n" });
  expect(await margay("apply", "-f", file)).toMatchObject({ exitCode: 0, stdout: "ippool/blue unchanged\n" });
  await write("pool.yaml", `${poolYaml("blue", "10.5.0.0/16")}  natOutgoing: true\n`);
  expect(await margay("apply", "-f", file)).toMatchObject({ exitCode: 0, stdout: "ippool/blue configured\n" });

  const table = await margay("get", "pool");
  expect(table).toMatchObject({ exitCode: 0, stderr: "" });
  expect(table.stdout).toBe("NAME   CIDR          SELECTOR\nblue   10.5.0.0/16   all()\n");

  const yaml = await margay("get", "ippools", "blue", "-o", "yaml");
  expect(parse(yaml.stdout)).toMatchObject({ kind: "IPPool", metadata: { name: "blue" }, spec: { natOutgoing: true } });
  expect(yaml.stdout).not.toContain("managedFields");
  const again = await write("again.yaml", yaml.stdout);
  expect(await margay("apply", "-f", again)).toMatchObject({ exitCode: 0 });

  const json = JSON.parse((await margay("get", "ipp", "-o", "json")).stdout);
  expect(json).toMatchObject({ kind: "IPPoolList", apiVersion: "projectcalico.org/v3", items: [{ kind: "IPPool" }] });
  expect(await margay("delete", "ippool", "blue")).toMatchObject({ exitCode: 0, stdout: "ippool/blue deleted\n" });
});

test("namespaced objects go where -n says, and -A shows all", async () => {
  const policy =
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: kube-system}, spec: {podSelector: {}}}";
  expect(await margayWith(policy, "apply", "-f", "-")).toMatchObject({
    stdout: "networkpolicy/kube-system/deny created\n",
  });
  expect((await margay("get", "netpol")).stdout).toBe("NAME\n");
  expect((await margay("get", "netpol", "-n", "kube-system")).stdout).toBe("NAME\ndeny\n");
  expect((await margay("get", "netpol", "-A")).stdout).toBe("NAMESPACE     NAME\nkube-system   deny\n");
  expect(await margayWith(policy, "delete", "-f", "-")).toMatchObject({ exitCode: 0 });
});

test("nothing is sent when one object is invalid, and the path is named", async () => {
  const file = await write("two.yaml", `${poolYaml("good", "10.6.0.0/16")}---\n${poolYaml("bad", "10.7.0.0/33")}`);
  const applied = await margay("apply", "-f", file);
  expect(applied).toMatchObject({ exitCode: 1, stdout: "" });
  expect(applied.stderr).toContain('Cannot read IPPool bad: spec.cidr is "10.7.0.0/33"');
  expect((await margay("get", "pool", "good")).exitCode).toBe(1);
});

test("what the server refuses is one sentence, and the others still go through", async () => {
  const file = await write("mixed.yaml", `${poolYaml("Upper", "10.6.0.0/16")}---\n${poolYaml("lower", "10.8.0.0/16")}`);
  const applied = await margay("apply", "-f", file);
  expect(applied).toMatchObject({ exitCode: 1, stdout: "ippool/lower created\n" });
  expect(applied.stderr).toMatch(
    /^margay: Cannot change \/apis\/projectcalico.org\/v3\/ippools\/Upper: .*metadata.name: Invalid value/,
  );
  const shown = await margay("get", "pool", "none", "lower");
  expect(shown).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("lower") });
  expect(shown.stderr).toContain('ippools.projectcalico.org "none" not found');
  await margay("delete", "pool", "lower");
});

test.each([
  ["get"],
  ["get", "bananas"],
  ["get", "pools", "-o", "xml"],
  ["get", "netpol", "deny", "-A"],
  ["apply"],
  ["delete", "ippool"],
  ["delete", "ippool", "blue", "-f", "x.yaml"],
])("a wrong use exits with 2: %s %s %s %s", async (...argv) => {
  const used = await margay(...argv);
  expect(used).toMatchObject({ exitCode: 2, stdout: "" });
  expect(used.stderr).toMatch(/^error: /);
});

test("an unusable kubeconfig is one sentence", async () => {
  const missing = await run(["get", "pools", "--kubeconfig", join(folder, "none")]);
  expect(missing).toMatchObject({ exitCode: 1, stdout: "" });
  expect(missing.stderr).toMatch(/^margay: Cannot read the kubeconfig .*none: there is no such file/);
  const malformed = await write("malformed", "clusters: 5\n");
  const refused = await run(["get", "pools", "--kubeconfig", malformed]);
  expect(refused.stderr).toMatch(/^margay: Cannot use the kubeconfig .*malformed: it has no current-context/);
});

// --- internal ---

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function poolYaml(name: string, cidr: string): string {
  return `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: ${name}\nspec:\n  cidr: ${cidr}\n`;
}

async function write(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function margay(...argv: readonly string[]): Promise<Ended> {
  return run([...argv, "--kubeconfig", plane.kubeconfig]);
}

function margayWith(stdin: string, ...argv: readonly string[]): Promise<Ended> {
  return run([...argv, "--kubeconfig", plane.kubeconfig], stdin);
}

function run(argv: readonly string[], stdin = ""): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(join(root, "bin/margay"), argv, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
    child.stdin?.end(stdin);
  });
}

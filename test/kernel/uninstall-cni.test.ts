import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type UninstallOptions, uninstallCni } from "../../src/cni/install/uninstall-cni.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { test as cniTest, container } from "./cni-test.ts";
import { InstallNode } from "./install-node.ts";

const test = cniTest.extend("at", async ({ node }, { onCleanup }) => {
  const at = new InstallNode(node);
  onCleanup(() => at[Symbol.asyncDispose]());
  await node.serve();
  await at.giveAccount("token");
  await at.install({ MARGAY_CNI_KUBECONFIG: "true", KUBERNETES_SERVICE_HOST: "10.96.0.1" });
  return at;
});

const installed = ["10-calico.conflist", "calico", "calico-ipam", "calico-kubeconfig"];

async function uninstall(at: InstallNode, changes: Partial<UninstallOptions> = {}): Promise<readonly string[]> {
  const said: string[] = [];
  const { binDir, netDir, node } = at;
  const options = { binDir, netDir, confName: "10-calico.conflist", stateDir: node.folder, force: false };
  await uninstallCni(new LinuxHost(), { ...options, report: (line) => void said.push(line), ...changes });
  return said;
}

test("it removes what was installed and nothing else, the configuration first, and may be done again", async ({
  at,
}) => {
  const others = [join(at.netDir, "20-other.conflist"), join(at.binDir, "portmap")];
  for (const path of others) await writeFile(path, "another's");
  expect(await at.files()).toEqual([...installed, "20-other.conflist", "portmap"].sort());
  expect(await uninstall(at)).toEqual([
    `removed ${at.list}`,
    `removed ${join(at.netDir, "calico-kubeconfig")}`,
    `removed ${join(at.binDir, "calico")}`,
    `removed ${join(at.binDir, "calico-ipam")}`,
  ]);
  expect(await at.files()).toEqual(["20-other.conflist", "portmap"]);
  expect(await uninstall(at)).toEqual([]);
});

test("programs and files of another installation under the same names stay, and that is said", async ({ at }) => {
  const kubeconfig = join(at.netDir, "calico-kubeconfig");
  for (const path of [join(at.binDir, "calico"), kubeconfig]) await writeFile(path, "another's");
  expect(await uninstall(at)).toEqual([
    expect.stringContaining(`left ${at.list}`),
    expect.stringContaining(`left ${kubeconfig}`),
    expect.stringContaining(`left ${join(at.binDir, "calico")}`),
    `removed ${join(at.binDir, "calico-ipam")}`,
  ]);
  expect(await at.files()).toEqual(["10-calico.conflist", "calico", "calico-kubeconfig"]);
  expect(await readFile(kubeconfig, "utf8")).toBe("another's");
});

test("while a pod is wired it refuses and removes nothing, unless it is forced", async ({ at, node }) => {
  const netns = node.addPod("web");
  expect(await node.call({ verb: "ADD", container, netns, pod: "web" })).toMatchObject({ exitCode: 0 });
  await expect(uninstall(at)).rejects.toThrow(/^Cannot uninstall the CNI: interfaces of pods are wired here: 1/);
  expect(await at.files()).toEqual(installed);
  expect(await uninstall(at, { force: true })).toContainEqual(expect.stringContaining("every DEL will fail"));
  expect(await at.files()).toEqual([]);
});

test("addresses given to another main plugin count as wired", async ({ at, node }) => {
  await mkdir(join(node.folder, "leases"), { recursive: true });
  await writeFile(join(node.folder, "leases", "some:eth0"), "{}");
  await expect(uninstall(at)).rejects.toThrow("--force");
});

test("what an installation that was killed left half-written goes too", async ({ at }) => {
  await writeFile(join(at.binDir, ".calico.0123456789abcdef.replacing"), "half");
  await uninstall(at);
  expect(await at.files()).toEqual([]);
});

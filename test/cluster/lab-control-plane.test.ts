import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startControlPlane } from "../../lab/control-plane.ts";
import { processesOf } from "../../lab/processes.ts";
import { run } from "../../lab/run.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "margay-control-plane-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("two run side by side, each with its own objects, and leave nothing", async () => {
  const folders = [join(folder, "one"), join(folder, "two")];
  const both = await Promise.all(folders.map((one) => startControlPlane({ folder: one, components: "api" })));
  const [one, two] = both;
  if (one === undefined || two === undefined) throw new Error("unreachable");
  await one.kubectl(["create", "namespace", "only-here"]);
  expect(await one.kubectl(["get", "namespaces", "--output=name"])).toContain("namespace/only-here");
  expect(await two.kubectl(["get", "namespaces", "--output=name"])).not.toContain("namespace/only-here");

  await one.stop();
  expect(await two.kubectl(["get", "--raw=/readyz"])).toBe("ok");
  expect(processesOf(join(folder, "one"))).toEqual([]);
  await two.stop();
  expect(processesOf(folder)).toEqual([]);
  expect(folders.filter(existsSync)).toEqual([]);
});

test("authorises by RBAC: a user has only what a role gives", async () => {
  const plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  try {
    const kubeconfig = await plane.addUser("somebody");
    const kubectl = (argv: readonly string[]) => plane.kubectl([...argv, `--kubeconfig=${kubeconfig}`]);
    await expect(kubectl(["get", "nodes"])).rejects.toThrow(/User "somebody" cannot list resource "nodes"/);
    await plane.kubectl(["create", "clusterrole", "reader", "--verb=list", "--resource=nodes"]);
    await plane.kubectl(["create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=somebody"]);
    await expect(kubectl(["get", "nodes", "--output=name"])).resolves.toBe("");
  } finally {
    await plane.stop();
  }
});

test("refuses a folder that holds something", async () => {
  await run(["touch", join(folder, "mine")]);
  await expect(startControlPlane({ folder, components: "api" })).rejects.toThrow(
    `Cannot start a control plane in ${folder}`,
  );
  expect(existsSync(join(folder, "mine"))).toBe(true);
});

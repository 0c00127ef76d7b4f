import { watch } from "node:fs";
import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { test as cniTest, container } from "./cni-test.ts";
import { ended, InstallNode, listText } from "./install-node.ts";

const test = cniTest.extend("at", async ({ node }, { onCleanup }) => {
  const at = new InstallNode(node);
  onCleanup(() => at[Symbol.asyncDispose]());
  return at;
});

const patience = { timeout: 20_000, interval: 20 };
const all = ["10-calico.conflist", "calico", "calico-ipam"];

test("the executables come at once, and the configuration when the agent can add pods", async ({ at, node }) => {
  const installed = at.install();
  await expect.poll(() => at.said, patience).toContainEqual(expect.stringContaining("until pods can be added"));
  expect(at.said.at(-1)).toContain("Cannot reach the agent of this node (margay agent)");
  expect(await at.files()).toEqual(["calico", "calico-ipam"]);
  await node.serve();
  await installed;
  expect(await at.files()).toEqual(all);
  expect((await stat(at.list)).mode & 0o7777).toBe(0o644);
  for (const name of ["calico", "calico-ipam"]) {
    expect(await readFile(join(at.binDir, name))).toEqual(await readFile(at.shim));
    expect((await stat(join(at.binDir, name))).mode & 0o7777).toBe(0o755);
  }
});

test("an agent that is there but not ready is waited for, in its own words", async ({ at, node }) => {
  let reason: string | undefined = "the kernel's rules are not in place yet";
  await node.serve({ unready: () => reason });
  const installed = at.install();
  await expect.poll(() => at.said, patience).toContainEqual(expect.stringContaining(reason));
  expect(await at.readList()).toBeUndefined();
  reason = undefined;
  await installed;
  expect(JSON.parse((await at.readList()) ?? "").plugins[0]).toMatchObject({ type: "calico", nodename: "node-1" });
});

test("a configuration for another node's agent is not installed, and why is said", async ({ at, node }) => {
  await node.serve();
  void at.install({ KUBERNETES_NODE_NAME: "node-2" }).catch(() => undefined);
  await expect.poll(() => at.said, patience).toContainEqual(expect.stringContaining('nodename is "node-2"'));
  expect(await at.readList()).toBeUndefined();
});

test("an earlier installation stands until the new one can", async ({ at, node }) => {
  await mkdir(at.netDir, { recursive: true });
  const old = join(at.netDir, "05-old.conflist");
  await writeFile(at.list, "an earlier list");
  await writeFile(old, "an old list");
  const installed = at.install({ CNI_OLD_CONF_NAME: "05-old.conflist" });
  await expect.poll(() => at.said, patience).toContainEqual(expect.stringContaining("until pods can be added"));
  expect([await at.readList(), await readFile(old, "utf8")]).toEqual(["an earlier list", "an old list"]);
  await node.serve();
  await installed;
  expect(await at.files()).toEqual(all);
  expect(await at.readList()).toContain('"calico-ipam"');
});

test("what is as it should be is left alone, and a changed mode is put right", async ({ at, node }) => {
  await node.serve();
  await at.install();
  const files = [join(at.binDir, "calico"), join(at.binDir, "calico-ipam"), at.list];
  const inodes = () => Promise.all(files.map(async (file) => (await stat(file)).ino));
  const before = await inodes();
  const wrote = at.said.length;
  // Of one that was killed.
  await writeFile(join(at.binDir, ".calico.0123456789abcdef.replacing"), "half");
  await at.ageDrafts();
  await at.install();
  expect(await at.files()).toEqual(all);
  expect(await inodes()).toEqual(before);
  expect(at.said).toHaveLength(wrote);
  await chmod(files[0] ?? "", 0o644);
  await at.install();
  expect((await stat(files[0] ?? "")).mode & 0o7777).toBe(0o755);
});

test("programs that are to be skipped, or not to be updated, stay as they are", async ({ at, node }) => {
  await node.serve();
  await at.install({ SKIP_CNI_BINARIES: "bandwidth,calico-ipam" });
  expect(await at.files()).toEqual(["10-calico.conflist", "calico"]);
  await writeFile(join(at.binDir, "calico-ipam"), "another's");
  await at.install({ UPDATE_CNI_BINARIES: "false" });
  expect(await readFile(join(at.binDir, "calico-ipam"), "utf8")).toBe("another's");
  await at.install();
  expect(await readFile(join(at.binDir, "calico-ipam"))).toEqual(await readFile(at.shim));
});

test("who reads or runs a file while it is replaced has the old one or the new", async ({ at, node }) => {
  await node.serve();
  const newer = join(node.folder, "newer");
  // What follows a program's last section is not loaded: the same program, and another file.
  await writeFile(newer, Buffer.concat([await readFile(at.shim), Buffer.from("newer")]));
  const texts = ["one", "two"].map((remark) => listText(remark, 1_000_000));
  await at.install({ CNI_NETWORK_CONFIG: texts[0] ?? "" });
  let over = false;
  const read = async () => {
    for (let count = 0; ; count++) {
      expect(texts.includes((await at.readList()) ?? "none")).toBe(true);
      if (over) return count;
    }
  };
  const run = async () => {
    for (let count = 0; ; count++) {
      const { stdout } = await new LinuxHost().run([join(at.binDir, "calico")], { env: { CNI_COMMAND: "VERSION" } });
      expect(stdout).toContain("1.1.0");
      if (over) return count;
    }
  };
  const busy = Promise.all([read(), run()]);
  try {
    for (let round = 1; round <= 12; round++) {
      const shim = round % 2 === 0 ? at.shim : newer;
      await at.install({ CNI_NETWORK_CONFIG: texts[round % 2] ?? "" }, { shim });
    }
  } finally {
    over = true;
  }
  for (const count of await busy) expect(count).toBeGreaterThan(0);
  expect(await at.readList()).toBe(texts[0]);
});

test("a program that runs is replaced", async ({ at, node }) => {
  await node.serve();
  await at.install();
  await using running = new InstallNode(node);
  const newer = join(node.folder, "newer");
  await writeFile(newer, Buffer.concat([await readFile(at.shim), Buffer.from("newer")]));
  // The kernel refuses to write to a program that runs (ETXTBSY).
  const call = new LinuxHost().run(["sh", "-c", 'sleep 0.5 | "$0"', join(at.binDir, "calico")], {
    env: { CNI_COMMAND: "STATUS" },
  });
  await running.install({}, { shim: newer });
  await expect(call).rejects.toMatchObject({ exitCode: 1, stdout: expect.stringContaining('"code":6') });
  expect(await readFile(join(at.binDir, "calico"))).toEqual(await readFile(newer));
});

test("killed at any write, it leaves what works, and the next one tidies up", async ({ at, node }) => {
  await node.serve();
  const newer = join(node.folder, "newer");
  await writeFile(newer, Buffer.concat([await readFile(at.shim), Buffer.from("newer")]));
  const programs = [await readFile(at.shim), await readFile(newer)];
  const texts = ["one", "two"].map((remark) => listText(remark, 100_000));
  await at.install({ CNI_NETWORK_CONFIG: texts[0] ?? "" });
  for (let kill = 1; kill <= 9; kill++) {
    const child = at.start({ CNI_NETWORK_CONFIG: texts[kill % 2] ?? "", MARGAY_SHIM: "" });
    let events = 0;
    const watchers = [at.binDir, at.netDir].map((folder) =>
      watch(folder, () => void (++events === kill && child.kill("SIGKILL"))),
    );
    await ended(child);
    for (const watcher of watchers) watcher.close();
    expect(texts).toContain(await at.readList());
    for (const name of ["calico", "calico-ipam"]) {
      const bytes = await readFile(join(at.binDir, name));
      expect(programs.some((one) => one.equals(bytes))).toBe(true);
    }
    await at.ageDrafts();
    // The other program, so that there is something to write each time.
    await at.install({ CNI_NETWORK_CONFIG: texts[kill % 2] ?? "" }, { shim: newer });
    expect(await at.files()).toEqual(all);
  }
});

test("while it stays, it restores what is removed or changed, and ends when told", async ({ at, node }) => {
  await node.serve();
  const end = new AbortController();
  const running = at.install({ SLEEP: "true" }, { signal: end.signal });
  await expect.poll(() => at.files(), patience).toEqual(all);
  const text = await at.readList();
  await rm(at.list);
  await expect.poll(() => at.readList(), patience).toBe(text);
  await writeFile(at.list, "{}");
  await expect.poll(() => at.readList(), patience).toBe(text);
  await writeFile(join(at.binDir, "calico-ipam"), "another's");
  await expect
    .poll(async () => (await readFile(join(at.binDir, "calico-ipam"))).equals(await readFile(at.shim)), patience)
    .toBe(true);
  await rm(join(at.binDir, "calico"));
  await expect.poll(() => at.files(), patience).toEqual(all);
  end.abort();
  await running;
  await rm(at.list);
  expect(await at.files()).toEqual(["calico", "calico-ipam"]);
});

test("a configuration that goes while no pod can be added comes back when one can", async ({ at, node }) => {
  const server = await node.serve();
  void at.install({ SLEEP: "true" });
  await expect.poll(() => at.files(), patience).toEqual(all);
  await server.close();
  const lines = at.said.length;
  await rm(at.list);
  await expect
    .poll(() => at.said.slice(lines), patience)
    .toContainEqual(expect.stringContaining("until pods can be added"));
  expect(await at.readList()).toBeUndefined();
  await node.serve();
  await expect.poll(() => at.files(), patience).toEqual(all);
});

test("the kubeconfig is for root alone, and follows the pod's token", async ({ at, node }) => {
  await node.serve();
  await at.giveAccount("first\n");
  const path = join(at.netDir, "calico-kubeconfig");
  const wanted = { MARGAY_CNI_KUBECONFIG: "true", KUBERNETES_SERVICE_HOST: "10.96.0.1", SLEEP: "true" };
  void at.install(wanted);
  const read = async () => JSON.parse(await readFile(path, "utf8").catch(() => "{}"));
  await expect.poll(read, patience).toMatchObject({
    clusters: [{ cluster: { server: "https://10.96.0.1:443" } }],
    users: [{ user: { token: "first" } }],
  });
  expect((await stat(path)).mode & 0o7777).toBe(0o600);
  // As kubelet does it: a folder of links to what is renewed at once.
  await rm(join(at.accountDir, "token"));
  await writeFile(join(at.accountDir, "..second"), "second");
  await symlink("..second", join(at.accountDir, "token"));
  await expect.poll(read, patience).toMatchObject({ users: [{ user: { token: "second" } }] });
  await rm(path);
  await expect.poll(read, patience).toMatchObject({ users: [{ user: { token: "second" } }] });
});

test("a configuration that holds the token is for root alone", async ({ at, node }) => {
  await node.serve();
  await at.giveAccount("secret");
  await at.install({ CNI_NETWORK_CONFIG: listText("__SERVICEACCOUNT_TOKEN__") });
  expect(JSON.parse((await at.readList()) ?? "")).toMatchObject({ remark: "secret" });
  expect((await stat(at.list)).mode & 0o7777).toBe(0o600);
});

test("what cannot be understood ends with 2, and nothing is written", async ({ at, node }) => {
  await node.serve();
  const odd: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{ CNI_MTU: "much" }, "CNI_MTU is"],
    [{ CNI_NETWORK_CONFIG: "{" }, "it is not JSON"],
    [{ CNI_NETWORK_CONFIG: '{"name": "__NAME__"}' }, "__NAME__"],
    [{ CNI_NETWORK_CONFIG: listText("").replace('"kubernetes"', '"etcdv3"') }, "datastore_type"],
    [{ CNI_NETWORK_CONFIG_FILE: join(node.folder, "missing") }, "which is not there"],
    [{ MARGAY_CNI_KUBECONFIG: "true" }, "KUBERNETES_SERVICE_HOST"],
  ];
  const outcomes = await Promise.all(odd.map(([environment]) => ended(at.start(environment))));
  for (const [index, [, words]] of odd.entries()) {
    expect(outcomes[index]).toEqual({ code: 2, said: expect.stringContaining(words) });
  }
  await expect(at.install({}, { shim: join(node.folder, "missing") })).rejects.toThrow("say where with --shim");
  await expect(at.install({}, { shim: "/bin/true" })).rejects.toThrow("is not this project's CNI executable");
  expect(await at.files()).toEqual([]);
});

test("what another installer is writing at the moment stays", async ({ at, node }) => {
  await node.serve();
  await mkdir(at.binDir, { recursive: true });
  await writeFile(join(at.binDir, ".calico.0123456789abcdef.replacing"), "half");
  await at.install();
  expect(await at.files()).toEqual([".calico.0123456789abcdef.replacing", ...all].sort());
});

test("SIGTERM ends it: with 0 where it was to stay, with 1 where it is not done", async ({ at, node }) => {
  const waiting = at.start();
  const staying = at.start({ SLEEP: "true" });
  for (const child of [waiting, staying]) {
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk));
    await expect.poll(() => said, patience).toContain("until pods can be added");
  }
  const outcomes = Promise.all([ended(waiting), ended(staying)]);
  waiting.kill("SIGTERM");
  staying.kill("SIGTERM");
  expect(await outcomes).toMatchObject([{ code: 1, said: expect.stringContaining("could not be added") }, { code: 0 }]);
  await node.serve();
  expect(await ended(at.start())).toMatchObject({ code: 0, said: expect.stringContaining(at.list) });
});

test("the executables' folder cannot be made below /proc, and that is said", async () => {
  await expect(buildShim(new LinuxHost(), { folder: "/proc/margay/bin" })).rejects.toThrow("/proc/margay/bin");
});

test("an installed executable adds pods", async ({ at, node }) => {
  await node.serve();
  await at.install();
  const netns = node.addPod("web");
  const program = join(at.binDir, "calico");
  expect(await node.call({ verb: "ADD", program, container, netns, pod: "web" })).toMatchObject({ exitCode: 0 });
});

import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { confOf } from "./cni-call.ts";
import { versions } from "./cni-spec-result.ts";
import { type CniRuntime, calico, test } from "./cni-spec-runtime.ts";

/** The specification's error object: these fields, and nothing else. */
function errorOf(version: string, code: number, part = "") {
  return { cniVersion: version, code, msg: expect.stringContaining(part), details: expect.any(String) };
}

describe.each(versions)("version %s", (version) => {
  const conf = confOf({ cniVersion: version });

  test("ADD with anything amiss is an error of the right code", async ({ node }) => {
    await node.serve();
    const whole = { verb: "ADD", container: "one", netns: node.addPod("one"), pod: "one", conf };
    const cases: readonly (readonly [object, number, string])[] = [
      [{ verb: "UPDATE" }, 4, "CNI_COMMAND"],
      [{ verb: "" }, 4, "CNI_COMMAND"],
      [{ container: undefined }, 4, "CNI_CONTAINERID"],
      [{ container: "a/b" }, 4, "CNI_CONTAINERID"],
      [{ interfaceName: "" }, 4, "CNI_IFNAME"],
      [{ interfaceName: "e".repeat(16) }, 4, "CNI_IFNAME"],
      [{ netns: undefined }, 4, "CNI_NETNS"],
      [{ netns: "/run/netns/gone" }, 4, "/run/netns/gone"],
      [{ argument: "odd" }, 4, "CNI_ARGS"],
      [{ conf: { ...conf, name: undefined } }, 7, "name"],
      [{ conf: { ...conf, name: "a/b" } }, 7, "name"],
      [{ conf: { ...conf, ipam: undefined } }, 7, "ipam"],
      [{ conf: { ...conf, prevResult: { cniVersion: version, ips: "none" } } }, 7, "prevResult"],
    ];
    for (const [changes, code, part] of cases) {
      const { exitCode, json } = await node.call({ ...whole, ...changes });
      expect({ exitCode, json }, JSON.stringify(changes)).toEqual({ exitCode: 1, json: errorOf(version, code, part) });
    }
    expect(await node.leftovers()).toEqual([]);
  });

  test("without an agent the executable answers in the configuration's version too", async ({ node }) => {
    const call = { container: "one", netns: node.addPod("one"), pod: "one", conf };
    expect((await node.call({ verb: "VERSION", conf: { cniVersion: version } })).json).toEqual({
      cniVersion: version,
      supportedVersions: versions,
    });
    for (const verb of ["ADD", "CHECK", "GC"]) {
      expect((await node.call({ ...call, verb })).json, verb).toEqual(errorOf(version, 11, "margay agent"));
    }
    expect((await node.call({ verb: "STATUS", conf })).json).toEqual(errorOf(version, 50, "margay agent"));
    // A JSON text in another form.
    const text = JSON.stringify(conf, undefined, 2).replace('"cniVersion":', '"cniVersion"\n :\t');
    expect((await node.call({ verb: "STATUS", conf: text })).json).toEqual(errorOf(version, 50));
  });
});

test("what is no configuration of a known version is an error in the newest", async ({ node }) => {
  await node.serve();
  const call = { verb: "ADD", container: "one", netns: node.addPod("one"), pod: "one" };
  for (const [conf, code] of [
    ["", 6],
    ["{", 6],
    ["[]", 6],
    [confOf({ cniVersion: "0.9.0" }), 1],
    [confOf({ cniVersion: "1.1.00" }), 1],
    [confOf({ cniVersion: 1 }), 1],
  ] as const) {
    expect((await node.call({ ...call, conf })).json, JSON.stringify(conf)).toEqual(errorOf("1.1.0", code));
  }
  for (const conf of ["", "{", '"cniVersion"', '{"cniVersion"', '{"cniVersion":"1.0.0', '{"cniVersion":"1.0.01"}']) {
    const { json } = await node.call({ verb: "VERSION", conf });
    expect(json, conf).toEqual({ cniVersion: "1.1.0", supportedVersions: versions });
  }
});

test("a configuration without a version is of the first one, and a prevResult of null is none", async ({ node }) => {
  await node.serve();
  const call = { container: "one", netns: node.addPod("one"), pod: "one" };
  for (const cniVersion of [undefined, ""]) {
    const conf = { ...confOf(), cniVersion, prevResult: null };
    expect((await node.call({ ...call, verb: "ADD", conf })).json).toMatchObject({ cniVersion: "0.1.0", ip4: {} });
    expect((await node.call({ ...call, verb: "DEL", conf })).exitCode).toBe(0);
  }
  const conf = confOf({ cniVersion: "1.1.0", prevResult: null });
  expect((await node.call({ ...call, verb: "CHECK", conf })).json).toEqual(errorOf("1.1.0", 7, "has no prevResult"));
  for (const prevResult of [null, {}, { cniVersion: "1.1.0" }, "odd"]) {
    const odd = confOf({ cniVersion: "1.1.0", prevResult });
    expect((await node.call({ ...call, verb: "DEL", conf: odd })).exitCode).toBe(0);
  }
});

test("while the agent is away STATUS tells, ADD may be tried again, and DEL is kept for it", async ({ runtime }) => {
  const { node } = runtime;
  const list = { cniVersion: "1.1.0", name: "k8s-pod-network", plugins: [calico()] };
  const pod = { container: "one", pod: "one", netns: node.addPod("one") };
  const server = await node.serve();
  expect((await runtime.attach("ADD", list, pod)).message).toBe("");
  await server.close();
  expect((await runtime.ask("STATUS", list)).error).toMatchObject({ code: 50 });
  const other = { container: "two", pod: "two", netns: node.addPod("two") };
  expect((await runtime.attach("ADD", list, other)).error).toMatchObject({ code: 11 });
  expect((await runtime.attach("CHECK", list, pod)).error).toMatchObject({ code: 11 });
  expect((await runtime.collect(list, [pod])).error).toMatchObject({ code: 11 });
  for (const one of [pod, other]) expect((await runtime.attach("DEL", list, one)).message).toBe("");
  await node.serve();
  expect((await runtime.ask("STATUS", list)).message).toBe("");
  expect(await node.leftovers()).toEqual([]);
});

test("GC goes on after an attachment that resists, and tells of it", async ({ runtime }) => {
  const { node, folder } = runtime;
  await node.serve();
  const dataOf = (container: string) => join(folder, `data-${container}`);
  const listOf = (container: string) => {
    const ipam = { type: "host-local", subnet: `10.${container.length}.0.0/16`, dataDir: dataOf(container) };
    return { cniVersion: "1.1.0", name: "k8s-pod-network", plugins: [calico({ ipam })] };
  };
  for (const name of ["one", "three"]) {
    const pod = { container: name, pod: name, netns: node.addPod(name) };
    expect((await runtime.attach("ADD", listOf(name), pod, "lost")).message).toBe("");
  }
  const data = dataOf("one");
  await rename(data, `${data}-aside`);
  await writeFile(data, "in the way");
  const { error, message } = await runtime.collect(listOf("three"), []);
  expect(error).toMatchObject({ code: 104, msg: expect.stringContaining("host-local") });
  expect(message).toContain("failed to GC plugin calico");
  expect(await node.dependencies.host.listFolder(join(node.folder, "attachments"))).toEqual(["one:eth0.json"]);
  await rm(data);
  await rename(`${data}-aside`, data);
  expect((await runtime.collect(listOf("three"), [])).message).toBe("");
  expect(await node.leftovers()).toEqual([]);
});

test("STATUS tells that a plugin for addresses is missing", async ({ runtime }) => {
  await runtime.node.serve();
  const list = {
    cniVersion: "1.1.0",
    name: "k8s-pod-network",
    plugins: [calico({ ipam: { type: "no-such-plugin" } })],
  };
  expect((await runtime.ask("STATUS", list)).error).toMatchObject({ code: 50 });
});

test("the reference's cnitool adds, checks and deletes", async ({ runtime }) => {
  const { node, folder } = runtime;
  await node.serve();
  const netConf = join(folder, "net.d");
  await mkdir(join(folder, "lib"), { recursive: true });
  await mkdir(netConf);
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  const list = { cniVersion: "1.1.0", name: "k8s-pod-network", plugins: [calico(), portmap] };
  await writeFile(join(netConf, "10-margay.conflist"), JSON.stringify(list));
  const netns = node.addPod("one");
  const tool = (verb: string) => cnitool(runtime, verb, { netConf, netns });
  expect(JSON.parse(await tool("add"))).toMatchObject({ cniVersion: "1.1.0", ips: [{ interface: 1 }] });
  for (const verb of ["check", "status", "del", "del"]) expect(await tool(verb), verb).toBe("");
  expect(await node.leftovers()).toEqual([]);
});

/** Runs the program, with a folder of the test's instead of the machine's for what it keeps. */
async function cnitool(
  { node, folder, programs }: CniRuntime,
  verb: string,
  { netConf, netns }: { readonly netConf: string; readonly netns: string },
): Promise<string> {
  const capabilities = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
  const env = {
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    CNI_PATH: `${node.shim.programs}:${programs}`,
    NETCONFPATH: netConf,
    CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=one",
    CAP_ARGS: JSON.stringify(capabilities),
  };
  const mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /var/lib && exec "$@"', join(folder, "lib")];
  const argv = [
    "nsenter",
    `--net=${node.netns}`,
    ...mounted,
    join(programs, "cnitool"),
    verb,
    "k8s-pod-network",
    netns,
  ];
  return (await node.dependencies.host.run(argv as [string, ...string[]], { env })).stdout;
}

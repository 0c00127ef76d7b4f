import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { NodeName } from "../../src/api/names.ts";
import { vethName } from "../../src/cni/veth-name.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { confOf } from "./cni-call.ts";
import { addressOf, ipsOf } from "./cni-delegated.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

/** Debian's `containernetworking-plugins`. */
const path = "/usr/lib/cni";

/** A configuration whose addresses host-local gives, with its state in the node's folder. */
function hostLocal(node: CniNode, ipam: object = {}, changes: Record<string, unknown> = {}) {
  const range = "subnet" in ipam || "ranges" in ipam ? {} : { subnet: "usePodCidr" };
  const own = { type: "host-local", dataDir: join(node.folder, "host-local"), ...range, ...ipam };
  return confOf({ cniVersion: "1.0.0", ipam: own, ...changes });
}

/** The addresses that host-local holds. */
async function held(node: CniNode): Promise<readonly string[]> {
  const names = await readdir(join(node.folder, "host-local/k8s-pod-network")).catch(() => []);
  return names.filter((name) => name !== "lock" && !name.startsWith("last_reserved"));
}

function giveCidrs(node: CniNode, ...cidrs: readonly string[]): void {
  const podCidrs = cidrs.map(parseCidr);
  node.nodes = [{ name: "node-1" as NodeName, labels: {}, annotations: {}, internalIps: [], podCidrs }];
}

test("host-local gives addresses of the Node's own network, and takes them back", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const conf = hostLocal(node, { subnet: "USEPODCIDR" });
  const call = { container, netns, pod: "web", conf, path };
  const { json } = await node.call({ verb: "ADD", ...call });
  expect(json).toMatchObject({ cniVersion: "1.0.0", ips: [{ interface: 1, address: "10.77.3.2/32" }], dns: {} });
  expect(await held(node)).toEqual(["10.77.3.2"]);
  expect(node.allocations()).toEqual([]);
  expect(await node.run(netns, ["ip", "-4", "route"])).toBe(
    "default via 169.254.1.1 dev eth0 \n169.254.1.1 dev eth0 scope link \n",
  );
  await node.connect(netns, node.netns, "10.250.0.1");
  await node.connect(node.netns, netns, "10.77.3.2");
  expect((await node.call({ verb: "ADD", ...call })).json).toEqual(json);
  expect((await node.call({ verb: "DEL", ...call })).text).toBe("");
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
});

test("all addresses of all ranges are used, of both families", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24", "fd00:77::/64");
  const netns = node.addPod("web");
  await node.serve();
  const ranges = [
    [{ subnet: "usePodCidr" }],
    [{ subnet: "usePodCidrIPv6" }],
    [{ subnet: "10.78.0.0/24", rangeStart: "10.78.0.9" }],
  ];
  const call = { container, netns, pod: "web", conf: hostLocal(node, { ranges }), path };
  const reply = await node.call({ verb: "ADD", ...call });
  expect(ipsOf(reply).map(({ address }) => address)).toEqual(["10.77.3.2/32", "fd00:77::2/128", "10.78.0.9/32"]);
  for (const ip of ipsOf(reply)) await node.connect(node.netns, netns, addressOf(ip));
  await node.connect(netns, node.netns, "fd00:250::1");
  expect((await node.call({ verb: "CHECK", ...call, conf: { ...call.conf, prevResult: reply.json } })).text).toBe("");
  await node.call({ verb: "DEL", ...call });
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
});

for (const cniVersion of ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0"]) {
  test(`the answer of host-local is read in version ${cniVersion}`, async ({ node }) => {
    giveCidrs(node, "10.77.3.0/24");
    const netns = node.addPod("web");
    await node.serve();
    const conf = hostLocal(node, { routes: [{ dst: "10.0.0.0/8" }, { dst: "fd00::/8" }] }, { cniVersion });
    const { json } = await node.call({ verb: "ADD", container, netns, pod: "web", conf, path });
    expect(json).toMatchObject(
      cniVersion < "0.3.0"
        ? { cniVersion, ip4: { ip: "10.77.3.2/32", routes: [{ dst: "10.0.0.0/8" }] } }
        : {
            cniVersion,
            ips: [{ version: "4", address: "10.77.3.2/32" }],
            routes: [{ dst: "10.0.0.0/8" }, { dst: "fd00::/8" }],
          },
    );
    // As upstream: its routes stand for the default route.
    expect(await node.run(netns, ["ip", "-4", "route"])).toBe(
      "10.0.0.0/8 via 169.254.1.1 dev eth0 \n169.254.1.1 dev eth0 scope link \n",
    );
  });
}

test("routes and name servers of static are the pod's, with the default route on request", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const ipam = {
    type: "static",
    addresses: [{ address: "10.79.0.5/24", gateway: "10.79.0.1" }, { address: "fd00:79::5/64" }],
    routes: [{ dst: "10.0.0.0/8", gw: "10.79.0.1" }],
    dns: { nameservers: ["10.96.0.10"], domain: "shop.example", search: ["example"] },
  };
  const conf = confOf({ cniVersion: "1.0.0", ipam, include_default_routes: true });
  const call = { container, netns, pod: "web", conf, path };
  const { json } = await node.call({ verb: "ADD", ...call });
  expect(json).toMatchObject({
    ips: [
      { interface: 1, address: "10.79.0.5/32" },
      { interface: 1, address: "fd00:79::5/128" },
    ],
    routes: [{ dst: "10.0.0.0/8", gw: "10.79.0.1" }],
    dns: ipam.dns,
  });
  expect(await node.run(netns, ["ip", "-4", "route"])).toBe(
    "default via 169.254.1.1 dev eth0 \n10.0.0.0/8 via 169.254.1.1 dev eth0 \n169.254.1.1 dev eth0 scope link \n",
  );
  expect((await node.call({ verb: "CHECK", ...call, conf: { ...conf, prevResult: json } })).text).toBe("");
  const dns = { nameservers: ["10.96.0.11"] };
  expect((await node.call({ verb: "ADD", ...call, conf: { ...conf, dns } })).json["dns"]).toEqual(dns);
  expect((await node.call({ verb: "DEL", ...call })).exitCode).toBe(0);
  await expectNothingLeft(node, netns);
});

test("an address that a container of this node has is not given again", async ({ node }) => {
  const [web, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  const conf = confOf({ cniVersion: "1.0.0", ipam: { type: "static", addresses: [{ address: "10.79.0.5/24" }] } });
  await node.call({ verb: "ADD", container, netns: web, pod: "web", conf, path });
  const before = await node.leftovers();
  const reply = await node.call({ verb: "ADD", container: "other", netns: db, pod: "db", conf, path });
  expect(reply.json).toMatchObject({ code: 101, msg: expect.stringMatching(/10\.79\.0\.5.*shop\/web/) });
  expect(await node.leftovers()).toEqual(before);
});

test("a plugin that fails, as dhcp does without its daemon, leaves nothing", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const ipam = { type: "dhcp", daemonSocketPath: join(node.folder, "no-dhcp.sock") };
  const conf = confOf({ cniVersion: "1.0.0", ipam });
  const { json } = await node.call({ verb: "ADD", container, netns, pod: "web", conf, path });
  expect(json).toMatchObject({
    code: 104,
    msg: expect.stringMatching(/^Cannot do ADD by IPAM plugin dhcp: .*no-dhcp\.sock/),
  });
  expect((await node.leftovers()).filter((one) => !one.includes(container))).toEqual([]);
  expect(await node.run(netns, ["ip", "-o", "link"])).not.toContain("eth0");
});

test("an executable that is not there is named, at ADD and at DEL", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web", conf: hostLocal(node) };
  const missing = await node.call({ verb: "ADD", ...call });
  expect(missing.json).toMatchObject({
    code: 104,
    msg: expect.stringMatching(/host-local.*no such program in .*bin/),
    details: "",
  });
  await expectNothingLeft(node, netns);
  await node.call({ verb: "ADD", ...call, path: `${node.shim.programs}::relative:${path}` });
  const file = join(node.folder, "attachments", `${container}:eth0.json`);
  const text = await readFile(file, "utf8");
  expect(JSON.parse(text)).toMatchObject({ ipam: { type: "host-local" } });
  // The folder of the ADD is known, but nothing is in it any more.
  const moved = join(node.folder, "moved");
  await mkdir(moved);
  const other = node.addPod("db");
  await writeFile(join(moved, "host-local"), `#!/bin/sh\nexec ${path}/host-local\n`, { mode: 0o755 });
  const second = { ...call, container: "other", netns: other, pod: "db", path: moved };
  expect((await node.call({ verb: "ADD", ...second })).exitCode).toBe(0);
  await rm(join(moved, "host-local"));
  const gone = await node.call({ verb: "DEL", ...second });
  expect(gone.json).toMatchObject({ code: 104, msg: expect.stringMatching(/host-local for DEL.*no such program/) });
  expect(await node.dependencies.host.listFolder(join(node.folder, "attachments"))).toContain("other:eth0.json");
  expect((await node.call({ verb: "DEL", ...second, path })).exitCode).toBe(0);
  expect((await node.call({ verb: "DEL", ...call })).exitCode).toBe(0);
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
});

test("what fails after the plugin gave an address has it taken back", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  const seen: string[] = [];
  await node.serve({
    publish: async ({ addresses }) => {
      seen.push(...addresses);
      if (addresses.length > 0) throw new Error("Cannot program policy: the kernel refused it");
    },
  });
  const call = { container, netns, pod: "web", conf: hostLocal(node), path };
  expect((await node.call({ verb: "ADD", ...call })).json["msg"]).toContain("Cannot program policy");
  expect(seen).toEqual(["10.77.3.2"]);
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
  // And what the plugin itself gave halfway: there is room in the first range only.
  const ranges = [
    [{ subnet: "usePodCidr" }],
    [{ subnet: "10.78.0.0/30", rangeStart: "10.78.0.2", rangeEnd: "10.78.0.2" }],
  ];
  await mkdir(join(node.folder, "host-local/k8s-pod-network"), { recursive: true });
  await writeFile(join(node.folder, "host-local/k8s-pod-network/10.78.0.2"), "somebody\r\neth0");
  expect((await node.call({ verb: "ADD", ...call, conf: hostLocal(node, { ranges }) })).json).toMatchObject({
    code: 104,
  });
  expect(await held(node)).toEqual(["10.78.0.2"]);
});

test("a DEL that found no agent reaches the plugin later, also for an interface that nobody remembers", async ({
  node,
}) => {
  giveCidrs(node, "10.77.3.0/24");
  const [web, db] = [node.addPod("web"), node.addPod("db")];
  const first = await node.serve();
  const conf = hostLocal(node);
  const calls = [
    { container, netns: web, pod: "web", conf, path },
    { container: "other", netns: db, pod: "db", conf, path },
  ];
  for (const call of calls) expect((await node.call({ verb: "ADD", ...call })).exitCode).toBe(0);
  await first.close();
  await rm(join(node.folder, "attachments/other:eth0.json"));
  for (const call of calls) expect((await node.call({ verb: "DEL", ...call })).exitCode).toBe(0);
  expect(await held(node)).toHaveLength(2);
  // Nor is the Node known to an agent that has just begun.
  node.nodes = [];
  await node.serve();
  expect(await held(node)).toEqual([]);
  node.published.clear();
  await expectNothingLeft(node, web);
});

test("a DEL goes to the plugin that gave the address, whatever the configuration says by then", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web", path };
  const conf = hostLocal(node);
  const { json } = await node.call({ verb: "ADD", ...call, conf });
  const changed = await node.call({ verb: "CHECK", ...call, conf: confOf({ cniVersion: "1.0.0", prevResult: json }) });
  expect(changed.json).toMatchObject({ code: 103, msg: expect.stringContaining("host-local gave them") });
  const spare = { name: "k8s-pod-network", cniVersion: "1.0.0" };
  expect((await node.call({ verb: "DEL", container, conf: spare })).exitCode).toBe(0);
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
  // And the other way round.
  await node.call({ verb: "ADD", ...call });
  expect(node.allocations()).toHaveLength(1);
  expect((await node.call({ verb: "DEL", ...call, conf })).exitCode).toBe(0);
  await expectNothingLeft(node, netns);
});

test("an ADD after a change of plugins gives back what the earlier one gave", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web", path };
  const conf = hostLocal(node);
  const cut = () => node.run(node.netns, ["ip", "link", "delete", vethName("shop", "web")]);
  await node.call({ verb: "ADD", ...call, conf });
  await cut();
  // The same plugin: it gives an interface nothing twice.
  expect(ipsOf(await node.call({ verb: "ADD", ...call, conf }))).toHaveLength(1);
  expect(await held(node)).toHaveLength(1);
  await cut();
  expect((await node.call({ verb: "ADD", ...call })).exitCode).toBe(0);
  expect(await held(node)).toEqual([]);
  expect(node.allocations()).toHaveLength(1);
  await cut();
  expect((await node.call({ verb: "ADD", ...call, conf })).exitCode).toBe(0);
  expect(await held(node)).toHaveLength(1);
  expect(node.allocations()).toEqual([]);
});

test("a newer sandbox of the pod has the older one's address taken back, and the older's DEL frees nothing else", async ({
  node,
}) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const call = { netns, pod: "web", conf: hostLocal(node), path };
  await node.call({ verb: "ADD", ...call, container: "older" });
  expect((await node.call({ verb: "ADD", ...call, container: "newer", netns: node.addNamespace() })).exitCode).toBe(0);
  expect(await held(node)).toEqual(["10.77.3.3"]);
  expect((await node.call({ verb: "DEL", ...call, container: "older" })).exitCode).toBe(0);
  expect(await held(node)).toEqual(["10.77.3.3"]);
});

test("CHECK asks the plugin, too", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const conf = hostLocal(node);
  const call = { container, netns, pod: "web", path };
  const { json } = await node.call({ verb: "ADD", ...call, conf });
  const check = () => node.call({ verb: "CHECK", ...call, conf: { ...conf, prevResult: json } });
  expect((await check()).text).toBe("");
  await rm(join(node.folder, "host-local/k8s-pod-network/10.77.3.2"));
  expect((await check()).json).toMatchObject({
    code: 104,
    msg: expect.stringContaining("CHECK by IPAM plugin host-local"),
  });
});

test("a node without a network for pods says so, and may be tried again", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const call = { verb: "ADD", container, netns, pod: "web", path };
  const add = (ipam: object) => node.call({ ...call, conf: hostLocal(node, ipam) });
  expect((await add({})).json).toMatchObject({ code: 11, msg: expect.stringMatching(/does not know Node node-1/) });
  giveCidrs(node, "10.77.3.0/24");
  const six = await add({ ranges: [[{ subnet: "usePodCidr" }], [{ subnet: "usePodCidrIPv6" }]] });
  expect(six.json).toMatchObject({ code: 11, msg: expect.stringMatching(/usePodCidrIPv6.*no IPv6 network/) });
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);
});

test("annotations that only this agent's IPAM can follow are refused", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  await node.serve();
  const annotations = { "cni.projectcalico.org/ipAddrs": '["10.77.3.9"]' };
  const call = { container, netns: node.addPod("web", annotations), pod: "web", conf: hostLocal(node), path };
  expect((await node.call({ verb: "ADD", ...call })).json).toMatchObject({
    code: 7,
    msg: expect.stringMatching(/ipAddrs.*IPAM plugin host-local does not know it/),
  });
});

test("STATUS and GC go on to a plugin that speaks 1.1.0, and STATUS says when it does not", async ({ node }) => {
  giveCidrs(node, "10.77.3.0/24");
  const netns = node.addPod("web");
  await node.serve();
  const conf = hostLocal(node);
  await node.call({ verb: "ADD", container, netns, pod: "web", conf, path });
  const newer = { ...conf, cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
  const old = await node.call({ verb: "STATUS", conf: newer, path });
  expect(old.json).toMatchObject({ code: 50, msg: expect.stringContaining("does not speak version 1.1.0") });
  expect((await node.call({ verb: "STATUS", conf: newer })).json).toMatchObject({ code: 50 });
  // It takes away what this agent knows of, and leaves the plugin alone with what it does not understand.
  expect((await node.call({ verb: "GC", conf: newer, path })).exitCode).toBe(0);
  expect(await held(node)).toEqual([]);
  await expectNothingLeft(node, netns);

  // Debian's plugins are of 1.0.0: this one says what it is asked.
  const folder = join(node.folder, "newer");
  const log = join(node.folder, "asked");
  await mkdir(folder);
  const script = `#!/bin/sh
echo "$CNI_COMMAND $CNI_PATH $(tr -d '\\n')" >> ${log}
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}' ;;
STATUS) echo '{"cniVersion":"1.1.0","code":51,"msg":"almost full"}'; exit 1 ;;
esac
`;
  await writeFile(join(folder, "spoken"), script);
  await chmod(join(folder, "spoken"), 0o755);
  const spoken = { ...newer, ipam: { type: "spoken", subnet: "usePodCidr" } };
  expect((await node.call({ verb: "STATUS", conf: spoken, path: folder })).json).toMatchObject({
    code: 51,
    msg: "Cannot do STATUS by IPAM plugin spoken: almost full",
  });
  expect((await node.call({ verb: "GC", conf: spoken, path: folder })).exitCode).toBe(0);
  const asked = (await readFile(log, "utf8")).trim().split("\n");
  expect(asked.map((line) => line.split(" ")[0])).toEqual(["VERSION", "STATUS", "VERSION", "GC"]);
  expect(asked[3]).toContain(`GC ${folder} `);
  expect(asked[3]).toContain('"cni.dev/valid-attachments":[]');
  expect(asked[3]).toContain('"subnet":"10.77.3.0/24"');
});

test("a plugin that is slower than its caller is ended, and has what it gave taken back", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const folder = join(node.folder, "slow");
  const log = join(node.folder, "asked");
  await mkdir(folder);
  const script = `#!/bin/sh\necho "$CNI_COMMAND $CNI_CONTAINERID" >> ${log}\n[ "$CNI_COMMAND" = ADD ] && exec sleep 1000\nexit 0\n`;
  await writeFile(join(folder, "slow"), script, { mode: 0o755 });
  const caller = new AbortController();
  const conf = confOf({ ipam: { type: "slow" } });
  const call = node.call({ verb: "ADD", container, netns, pod: "web", conf, path: folder, signal: caller.signal });
  const asked = () => readFile(log, "utf8").catch(() => "");
  await expect.poll(asked).toBe(`ADD ${container}\n`);
  caller.abort();
  await call;
  await expect.poll(asked).toBe(`ADD ${container}\nDEL ${container}\n`);
  await expect.poll(() => node.leftovers()).toEqual([]);
});

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AddressUse } from "../../src/api/node-query.ts";
import { type SmallNode, startSmallNode } from "./small-node.ts";

interface Asked {
  readonly ips?: readonly string[];
  readonly attachments?: readonly object[];
  readonly leases?: readonly object[];
  /** Folders of real files instead. */
  readonly attachmentsFolder?: string;
  readonly leasesFolder?: string;
}

const script = join(import.meta.dirname, "print-uses.ts");
let node: SmallNode;

beforeEach(async () => {
  node = await startSmallNode();
});

afterEach(() => node[Symbol.asyncDispose]());

/** The answer; `prefix` is an argv to run it under. */
function answer(asked: Asked = {}, ...prefix: readonly string[]): { uses?: readonly AddressUse[]; error?: string } {
  return JSON.parse(node.run(...prefix, process.execPath, script, JSON.stringify(asked)));
}

/** `address kind interface namespace` of each use, sorted. */
function told(asked: Asked = {}): readonly string[] {
  const { uses, error } = answer(asked);
  if (uses === undefined) throw new Error(error);
  return uses.map((use) => `${use.ip} ${use.kind} ${use.interface} ${use.namespace}`).sort();
}

function addLink(name: string, address: string, ...enter: readonly string[]): void {
  node.run(...enter, "ip", "link", "add", name, "type", "bridge");
  node.run(...enter, "ip", "address", "add", address, "dev", name);
}

/** A process alone in a network namespace that nothing is mounted on; answers its pid in the node. */
async function startAlone(): Promise<string> {
  const before = new Set(pidsOfSleepers());
  node.start("unshare", "--net", "sleep", "1000");
  for (let round = 0; round < 200; round++) {
    const pid = pidsOfSleepers().find((one) => !before.has(one));
    if (pid !== undefined) return pid;
    await sleep(20);
  }
  throw new Error("Cannot start a lone process");
}

function pidsOfSleepers(): readonly string[] {
  const lines = node.run("ps", "-e", "-o", "pid=,args=").split("\n");
  return lines.flatMap((line) => /^\s*(\d+) sleep 1000$/.exec(line)?.[1] ?? []);
}

test("finds an address on any interface, up or down, in every kind of namespace", async () => {
  addLink("eth0", "172.18.1.11/24");
  node.run("ip", "netns", "add", "pod");
  addLink("eth0", "192.168.0.1/32", "ip", "netns", "exec", "pod");
  addLink("net1", "2001:db8::1/64", "ip", "netns", "exec", "pod");
  // What another plugin made: mounted somewhere else, or on nothing at all.
  node.run("mkdir", "/run/elsewhere");
  node.run("touch", "/run/elsewhere/with blank");
  node.run("unshare", "--net=/run/elsewhere/with blank", "true");
  addLink("br0", "192.168.0.2/24", "nsenter", "--net=/run/elsewhere/with blank");
  const pid = await startAlone();
  addLink("eth0", "192.168.0.3/24", "nsenter", `--net=/proc/${pid}/ns/net`);
  const inode = node.run("readlink", `/proc/${pid}/ns/net`).trim();
  expect(told()).toEqual([
    "172.18.1.11 interface eth0 host",
    "192.168.0.1 interface eth0 /run/netns/pod",
    "192.168.0.2 interface br0 /run/elsewhere/with blank",
    `192.168.0.3 interface eth0 ${inode}`,
    "2001:db8::1 interface net1 /run/netns/pod",
  ]);
  expect(told({ ips: ["192.168.0.3", "192.168.0.9", "127.0.0.1"] })).toEqual([
    ...["127.0.0.1 interface lo host"],
    `192.168.0.3 interface eth0 ${inode}`,
  ]);
});

test("finds routes to single workloads, and no others", () => {
  addLink("cali1", "169.254.7.7/32");
  addLink("eth0", "172.18.1.11/24");
  for (const link of ["cali1", "eth0"]) node.run("ip", "link", "set", link, "up");
  node.run("ip", "route", "add", "192.168.0.1/32", "dev", "cali1");
  node.run("ip", "route", "add", "192.168.0.2/32", "dev", "eth0");
  node.run("ip", "route", "add", "192.168.1.0/24", "dev", "cali1");
  node.run("ip", "route", "add", "192.168.0.3/32", "via", "172.18.1.1");
  node.run("ip", "route", "add", "blackhole", "192.168.0.4/32");
  node.run("ip", "-6", "route", "add", "2001:db8::5/128", "dev", "cali1");
  const routes = told().filter((line) => line.includes(" route "));
  expect(routes).toEqual(["192.168.0.1 route cali1 host", "2001:db8::5 route cali1 host"]);
});

test("names the pod of an attachment, and counts it while its namespace or its interface on the node is there", () => {
  node.run("ip", "netns", "add", "pod");
  addLink("eth0", "192.168.0.1/32", "ip", "netns", "exec", "pod");
  node.run("touch", "/run/netns/unmounted");
  const attachment = { containerId: "c1", interfaceName: "eth0", hostInterface: "cali1", pod: "shop/web" };
  addLink("cali4", "169.254.7.7/32");
  const lease = { interfaceName: "net1", pod: undefined };
  const leases = [
    { ...lease, containerId: "c2", addresses: [{ ip: "192.168.0.7" }] },
    { ...lease, containerId: "c6", netns: "/run/netns/pod", addresses: [{ ip: "192.168.0.10" }] },
    { ...lease, containerId: "c7", netns: "/run/netns/gone", addresses: [{ ip: "192.168.0.11" }] },
  ];
  const attachments = [
    { ...attachment, netns: "/run/netns/pod", addresses: ["192.168.0.1", "192.168.0.5"] },
    { ...attachment, containerId: "c3", netns: "/run/netns/gone", addresses: ["192.168.0.6"] },
    { ...attachment, containerId: "c4", netns: "/run/netns/unmounted", addresses: ["192.168.0.8"] },
    // The path of a process whose number is one of the node's own now.
    { ...attachment, containerId: "c5", netns: "/proc/1/ns/net", addresses: ["192.168.0.9"] },
    { ...attachment, containerId: "c8", netns: "/run/netns/gone", hostInterface: "cali4", addresses: ["192.168.0.12"] },
  ];
  const uses = answer({ attachments, leases }).uses ?? [];
  expect(uses.filter(({ ip }) => !ip.startsWith("169.254."))).toEqual([
    ...["192.168.0.1", "192.168.0.5"].map((ip) => ({
      ...{ ip, kind: "attachment", interface: "eth0", namespace: "/run/netns/pod", pod: "shop/web", containerId: "c1" },
    })),
    {
      ...{ ip: "192.168.0.12", kind: "attachment", interface: "eth0", namespace: "/run/netns/gone" },
      ...{ pod: "shop/web", containerId: "c8" },
    },
    { ip: "192.168.0.7", kind: "attachment", interface: "net1", namespace: "unknown", containerId: "c2" },
    {
      ...{ ip: "192.168.0.10", kind: "attachment", interface: "net1", namespace: "/run/netns/pod" },
      containerId: "c6",
    },
    {
      ...{ ip: "192.168.0.1", kind: "interface", interface: "eth0", namespace: "/run/netns/pod" },
      ...{ pod: "shop/web", containerId: "c1" },
    },
  ]);
});

test("a namespace that cannot be looked for is none that is gone", () => {
  // No name may be so long, so nobody can tell what is there.
  const netns = `/run/${"x".repeat(300)}`;
  const leases = [{ containerId: "c2", interfaceName: "net1", netns, addresses: [{ ip: "192.168.0.2" }] }];
  expect(answer({ leases }).uses?.map(({ ip }) => ip)).toEqual(["192.168.0.2"]);
  const wired = { containerId: "c1", interfaceName: "eth0", hostInterface: "cali1", pod: "shop/web" };
  const attachments = [{ ...wired, netns, addresses: ["192.168.0.1"] }];
  expect(answer({ attachments })).toEqual({ error: expect.stringMatching(/^Cannot look at .*: ENAMETOOLONG/) });
});

test("a file that cannot be read is an error that names it, not an absence", () => {
  const folder = node.run("mktemp", "-d").trim();
  try {
    node.run("sh", "-c", 'printf "{" > "$1"', "sh", `${folder}/c1:eth0.json`);
    for (const kind of ["attachmentsFolder", "leasesFolder"]) {
      expect(answer({ [kind]: folder, ips: ["192.168.0.1"] })).toEqual({
        error: expect.stringMatching(
          /^Cannot read every \w+ of this node: \S+\/c1:eth0\.json\. The DEL of its container/,
        ),
      });
    }
  } finally {
    node.run("rm", "-r", folder);
  }
});

test.each([
  ["sys_ptrace", /^Cannot look at \/proc\/\d+\/ns\/net: EACCES|^Cannot look at \/proc\/1\/root/],
  ["sys_admin", /^Cannot enter network namespace \S+: EPERM \(this needs CAP_SYS_ADMIN\)/],
])("a namespace that may not be read is an error, not an absence: without CAP_%s", (capability, message) => {
  node.run("ip", "netns", "add", "pod");
  addLink("eth0", "192.168.0.1/32", "ip", "netns", "exec", "pod");
  expect(answer({ ips: ["192.168.0.1"] }, "setpriv", "--bounding-set", `-${capability}`, "--")).toEqual({
    error: expect.stringMatching(message),
  });
});

test("what has ended, or lies beneath another mount, is no error", async () => {
  // A process that has ended and that its parent does not look after has no namespaces.
  node.start("sh", "-c", "sh -c 'exit' & exec sleep 1000");
  for (let round = 0; round < 200 && !/ Z/.test(node.run("ps", "-e", "-o", "pid=,stat=")); round++) await sleep(20);
  expect(node.run("ps", "-e", "-o", "pid=,stat=")).toMatch(/ Z/);
  node.run("ip", "netns", "add", "beneath");
  node.run("mount", "-t", "tmpfs", "tmpfs", "/run/netns");
  expect(told({ ips: ["192.168.0.1"] })).toEqual([]);
});

test("namespaces that come and go meanwhile disturb nothing", async () => {
  node.run("ip", "netns", "add", "stays");
  addLink("eth0", "192.168.0.1/32", "ip", "netns", "exec", "stays");
  const churn = "while :; do ip netns add a; ip netns exec a sleep 0.01; ip netns del a; unshare --net true; done";
  const churning = node.start("bash", "-c", churn);
  for (let round = 0; round < 5; round++) {
    expect(told({ ips: ["192.168.0.1"] })).toEqual(["192.168.0.1 interface eth0 /run/netns/stays"]);
  }
  expect(churning.exitCode).toBeNull();
});

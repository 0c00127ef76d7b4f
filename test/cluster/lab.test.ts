import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askPod } from "../../lab/ask-pod.ts";
import { type Lab, openLab } from "../../lab/cluster.ts";
import { type LabPod, podNamed, podNetns, readPods } from "../../lab/lab-pods.ts";
import { type NodeLayout, nodeNamed } from "../../lab/layout.ts";
import { bootNode, inNode, killDaemon, releaseDaemon, stopNode } from "../../lab/node.ts";
import { clientSocket } from "../../lab/outside-client.ts";
import { processesOf } from "../../lab/processes.ts";
import { run } from "../../lab/run.ts";
import { lockLab, removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";

const name = "labtest";
const repository = join(import.meta.dirname, "..", "..");
const patience = { timeoutMs: 30_000, everyMs: 200 };

let lab: Lab;
let shown: string;

function margay(...argv: string[]) {
  return spawn(process.execPath, [join(repository, "src", "cli", "main.ts"), "lab", ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** All that names a lab on this machine. */
async function traces(of: string): Promise<readonly string[]> {
  const lines = [
    await run(["ip", "netns", "list"]),
    await run(["ip", "link"]),
    readFileSync("/proc/mounts", "utf8"),
    readdirSync("/run", { recursive: true }).join("\n"),
    processesOf(`/var/tmp/margay-lab/${of}`)
      .map(({ pid }) => `${of} pid ${pid}`)
      .join("\n"),
  ];
  const found = lines
    .join("\n")
    .split("\n")
    .filter((line) => line.includes(of));
  return existsSync(`/var/tmp/margay-lab/${of}`) ? [...found, "its folder"] : found;
}

async function podOf(app: string): Promise<LabPod> {
  return waitFor(`a pod of ${app}`, patience, async () => (await readPods(lab)).find((pod) => pod.app === app));
}

/** The pods' network namespaces on this node. */
async function netnsNames(node: NodeLayout): Promise<readonly string[]> {
  const listed = JSON.parse((await inNode(lab.layout, node, ["ip", "-json", "netns", "list"])) || "[]");
  return (listed as readonly { readonly name: string }[]).map((one) => one.name).sort();
}

function targetOf({ address }: LabPod) {
  return { address, protocol: "TCP", timeoutMs: 5000 } as const;
}

async function podsOn(node: NodeLayout): Promise<readonly LabPod[]> {
  return (await readPods(lab)).filter((pod) => pod.node.name === node.name);
}

beforeAll(async () => {
  await removeLab(name);
  // An earlier start that was killed in the middle of its work is what the real start finds.
  const killed = margay("up", "--name", name);
  await waitFor(
    "the control plane of a start",
    patience,
    async () => existsSync(`/var/tmp/margay-lab/${name}/kubeconfig`) || undefined,
  );
  killed.kill("SIGKILL");
  await once(killed, "close");
  expect(await traces(name)).not.toEqual([]);

  const up = margay("up", "--name", name);
  const output = text(up.stdout);
  const [code] = await once(up, "close");
  shown = await output;
  expect(code, shown).toBe(0);
  lab = await openLab(name);
});

afterAll(async () => {
  await removeLab(name);
});

test("the second matrix equals the one that a person wrote", () => {
  expect(shown).toContain("removed what was left of an earlier run");
  expect(shown.match(/No difference from what should be\./g)).toHaveLength(2);
  expect(shown.match(/bin\/margay lab (kubectl|pod|matrix) --name labtest/g)).toHaveLength(3);
});

test("pods and nodes are real objects, ready by their own account", async () => {
  const nodes = await lab.kubectl(["get", "nodes", "--output=jsonpath={.items[*].status.addresses[0].address}"]);
  expect(nodes.split(" ").sort()).toEqual(["172.18.1.11", "172.18.1.13", "172.18.2.12"]);
  const pods = await readPods(lab);
  expect(pods).toHaveLength(7);
  expect(new Set(pods.map(({ address }) => address)).size).toBe(7);
  expect(new Set(pods.map(({ node }) => node.name)).size).toBe(3);
});

test("the commands that a newcomer is told of do what they say", async () => {
  const say = async (...argv: string[]) => {
    const child = margay(argv[0] ?? "", "--name", name, ...argv.slice(1));
    const output = text(child.stdout);
    const [code] = await once(child, "close");
    expect(code, await output).toBe(0);
    return output;
  };
  const { address, namespace, name: pod } = await podOf("scraper");
  expect(await say("kubectl", "get", "pods", "-A", "-o", "wide")).toContain(address);
  expect(await say("pod")).toContain(`${namespace}/${pod}`);
  expect(await say("pod", `${namespace}/${pod}`)).toContain("default via 169.254.1.1 dev eth0");
  expect(await say("exec", "node-1", "iptables", "-S", "cali-FORWARD")).toContain("-j cali-from-wl-dispatch");
  expect(await say("status")).toContain(lab.kubeconfig);
});

test("a reader that stops early is no failure", async () => {
  const child = margay("status", "--name", name);
  child.stdout.destroy();
  expect(await once(child, "close")).toEqual([0, null]);
});

test("a deleted pod's namespace goes with it, and its successor runs", async () => {
  const pod = await podOf("scraper");
  expect(await netnsNames(pod.node)).toContain(podNetns(pod));
  await lab.kubectl(["delete", "pod", pod.name, `--namespace=${pod.namespace}`]);
  expect(await netnsNames(pod.node)).not.toContain(podNetns(pod));
  const successor = await podOf("scraper");
  expect(successor.name).not.toBe(pod.name);
});

test("a killed runtime leaves its pods running, and takes them up again", async () => {
  const pod = await podOf("db");
  await killDaemon(lab.layout, pod.node, "runtime", "up");
  expect(await askPod(pod.socket, [])).toEqual([]);
  await lab.kubectl(["delete", "pod", pod.name, `--namespace=${pod.namespace}`]);
  expect(await netnsNames(pod.node)).not.toContain(podNetns(pod));
});

test("a pod that cannot be attached waits, and says why", async () => {
  const node = nodeNamed(lab.layout, "node-1");
  const list = "/etc/cni/net.d/10-calico.conflist";
  // It would put the list back.
  await killDaemon(lab.layout, node, "install-cni", "down");
  await inNode(lab.layout, node, ["mv", list, `${list}.away`]);
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "unattached", namespace: "guest" },
    spec: { nodeName: node.name, containers: [{ name: "c", image: "lab/echo" }] },
  };
  await lab.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
  const events = [
    "get",
    "events",
    "--namespace=guest",
    "--field-selector=involvedObject.name=unattached",
    "--output=jsonpath={.items[*].message}",
  ];
  const said = await waitFor("an event", patience, async () => (await lab.kubectl(events)) || undefined);
  expect(said).toContain("no network configuration in /etc/cni/net.d");
  expect(await netnsNames(node)).toEqual((await podsOn(node)).map(podNetns).sort());

  // A lone plugin's file does as well as the list, and a configuration without a name behind it disturbs nothing.
  const whole = JSON.parse(await inNode(lab.layout, node, ["cat", `${list}.away`]));
  const lone = JSON.stringify({ name: whole.name, cniVersion: whole.cniVersion, ...whole.plugins[0] });
  const files = ["/etc/cni/net.d/10-calico.conf", "/etc/cni/net.d/99-loopback.conf"] as const;
  await inNode(lab.layout, node, ["tee", files[0]], lone);
  await inNode(lab.layout, node, ["tee", files[1]], '{"cniVersion":"0.3.1","type":"loopback"}');
  await lab.kubectl(["wait", "--for=condition=Ready", "pod/unattached", "--namespace=guest", "--timeout=60s"]);
  await inNode(lab.layout, node, ["rm", ...files]);
  await inNode(lab.layout, node, ["mv", `${list}.away`, list]);
  await releaseDaemon(node, "install-cni");
  const [answer] = await askPod(clientSocket(lab.layout), [
    { ...targetOf(await podNamed(lab, "guest/unattached")), port: 8080 },
  ]);
  expect(answer).toBe("open");
  await lab.kubectl(["delete", "pod", "unattached", "--namespace=guest"]);
});

test("a host port leads to its pod", async () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "front", namespace: "guest" },
    spec: { containers: [{ name: "c", image: "lab/echo", ports: [{ containerPort: 8000, hostPort: 8001 }] }] },
  };
  await lab.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
  await lab.kubectl(["wait", "--for=condition=Ready", "pod/front", "--namespace=guest", "--timeout=60s"]);
  const { node } = await podNamed(lab, "guest/front");
  const target = { address: node.address, port: 8001, protocol: "TCP", timeoutMs: 5000 } as const;
  expect(await askPod(clientSocket(lab.layout), [target])).toEqual(["open"]);
  await lab.kubectl(["delete", "pod", "front", "--namespace=guest"]);
  expect(await askPod(clientSocket(lab.layout), [target])).toEqual(["ECONNREFUSED"]);
});

test("a node that is powered off and on has its pods again", async () => {
  const pod = await podOf("visitor");
  await stopNode(lab.layout, pod.node);
  await bootNode(lab.layout, pod.node);
  const again = await waitFor("the pod in a new sandbox", { ...patience, timeoutMs: 60_000 }, async () =>
    (await readPods(lab)).find((one) => one.name === pod.name && one.containerId !== pod.containerId),
  );
  expect(await askPod(again.socket, [])).toEqual([]);
  await waitFor("one namespace for each pod of the node", patience, async () => {
    const [names, pods] = [await netnsNames(pod.node), await podsOn(pod.node)];
    return names.join() === pods.map(podNetns).sort().join() || undefined;
  });
});

test("another lab of five nodes beside it disturbs nothing, and goes without a trace", async () => {
  try {
    const second = margay("up", "--name", "labtest-2", "--nodes", "5");
    const said = text(second.stdout);
    const [exit] = await once(second, "close");
    expect(exit, await said).toBe(0);
    expect((await said).match(/No difference from what should be\./g)).toHaveLength(2);
    expect(await said).toContain("--- node-5 (rack 1, ");
  } finally {
    await removeLab("labtest-2");
  }
  expect(await traces("labtest-2")).toEqual([]);
  const matrix = margay("matrix", "--name", name);
  const output = text(matrix.stdout);
  const [code] = await once(matrix, "close");
  expect(code, await output).toBe(0);
});

test("only one command at a time works on a lab", async () => {
  await using _lock = await lockLab(name);
  await expect(lockLab(name)).rejects.toThrow(`Cannot work on lab ${name}: another command is starting or stopping it`);
  await using _other = await lockLab("labtest-2");
});

test("while it starts no other command touches it, and an interrupt removes everything", async () => {
  const up = margay("up", "--name", "labtest-3", "--nodes", "1");
  const output = text(up.stdout);
  await waitFor("a namespace", patience, async () => existsSync("/run/netns/labtest-3-node-1") || undefined);
  const [refused] = await once(margay("down", "--name", "labtest-3"), "close");
  expect(refused).toBe(1);
  up.kill("SIGINT");
  const [code] = await once(up, "close");
  expect(code, await output).toBe(130);
  expect(await traces("labtest-3")).toEqual([]);
});

test("down leaves nothing", async () => {
  const down = margay("down", "--name", name);
  const [code] = await once(down, "close");
  expect(code).toBe(0);
  expect(await traces(name)).toEqual([]);
});

/** What the project promises of pods, shown on a whole lab. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { askPod } from "../../lab/ask-pod.ts";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { type LabPod, podNamed, podNetns } from "../../lab/lab-pods.ts";
import type { NodeLayout } from "../../lab/layout.ts";
import { inNode, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import { holdConnection } from "./held-connection.ts";

const name = "first-light";
let lab: Lab;
let node: NodeLayout;

beforeAll(async () => {
  lab = await startLab({ name, nodes: 3, progress: () => {} });
  node = nodeOf("node-1");
});

afterAll(() => removeLab(name));

function nodeOf(wanted: string): NodeLayout {
  const found = lab.layout.nodes.find((one) => one.name === wanted);
  if (found === undefined) throw new Error(`Cannot find ${wanted} in the lab`);
  return found;
}

const on = (where: NodeLayout, ...argv: readonly string[]) => inNode(lab.layout, where, argv);

/** Our rules and sets without counters, and our routes: what must not move under a running pod. */
async function kernelState(where: NodeLayout): Promise<string> {
  const rules = (await on(where, "iptables-save")).split("\n").filter((line) => line.includes("cali"));
  const sets = (await on(where, "ipset", "save"))
    .split("\n")
    .filter((line) => line.startsWith("add"))
    .sort();
  const routes = (await on(where, "ip", "route")).split("\n").filter((line) => line.includes("cali"));
  return [...rules, ...sets, ...routes].join("\n");
}

const apply = (object: object) => lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));

/** What a CNI executable printed, and its exit code. */
interface Answer {
  readonly exit: number;
  readonly code?: number;
  readonly msg?: string;
  readonly ips?: readonly object[];
}

interface PodOptions {
  readonly node: string;
  readonly labels?: Readonly<Record<string, string>>;
}

function podObject(podName: string, { node: nodeName, labels = {} }: PodOptions) {
  const containers = [{ name: "echo", image: "lab/echo", ports: [{ containerPort: 8080 }] }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: podName, namespace: "default", labels },
    spec: { nodeName, containers },
  };
}

async function runPod(podName: string, options: PodOptions): Promise<LabPod> {
  await apply(podObject(podName, options));
  await lab.kubectl(["wait", "--for=condition=Ready", `pod/${podName}`, "--timeout=60s"]);
  return podNamed(lab, podName);
}

const reaches = async (from: LabPod, to: LabPod) => {
  const [answer] = await askPod(from.socket, [{ address: to.address, port: 8080, protocol: "TCP", timeoutMs: 2_000 }]);
  return answer;
};

test("pods of all nodes reach each other over routes that BGP brought, and no pod has a route of its own elsewhere", async () => {
  const pods = await Promise.all(lab.layout.nodes.map((one) => runPod(`on-${one.name}`, { node: one.name })));
  for (const from of pods) {
    for (const to of pods.filter((one) => one !== from)) {
      // Until BGP has brought the block, the default route leads there too: the router knows every block.
      await waitFor("the block's route", { timeoutMs: 20_000, everyMs: 100 }, async () => {
        const routes = await on(from.node, "ip", "route", "show", "match", to.address);
        return /^192\.168\.\S+\/26 via \S+ dev eth0 proto bird/m.test(routes) || undefined;
      });
      await waitFor(
        "an answer",
        { timeoutMs: 20_000, everyMs: 100 },
        async () => (await reaches(from, to)) === "open" || undefined,
      );
      expect(await on(from.node, "ip", "route")).not.toContain(`${to.address} `);
    }
  }
});

test("kube-proxy on every node leads a Service's address to its pod", async () => {
  const service = {
    metadata: { name: "shared", namespace: "default" },
    spec: { selector: { app: "shared" }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  await apply({ apiVersion: "v1", kind: "Service", ...service });
  await runPod("shared", { node: "node-2", labels: { app: "shared" } });
  const address = await lab.kubectl(["get", "service", "shared", "--output=jsonpath={.spec.clusterIP}"]);
  for (const one of lab.layout.nodes) {
    const asker = await podNamed(lab, `default/on-${one.name}`);
    await waitFor(`an answer on ${one.name}`, { timeoutMs: 20_000, everyMs: 100 }, async () => {
      const [answer] = await askPod(asker.socket, [{ address, port: 80, protocol: "TCP", timeoutMs: 1_000 }]);
      return answer === "open" || undefined;
    });
  }
});

describe("an agent that dies", () => {
  test("leaves connections and rules alone, and its successor serves new pods", async () => {
    const client = await runPod("held-client", { node: "node-1" });
    const server = await runPod("held-server", { node: "node-2" });
    using held = await holdConnection(lab.layout, client, { address: server.address, port: 8080 });
    await held.roundTrip();
    const before = await kernelState(node);
    expect(before).toContain(client.address);

    await killDaemon(lab.layout, node, "agent", "down");
    await held.roundTrip();
    expect(await kernelState(node)).toBe(before);
    expect(await reaches(server, client)).toBe("open");

    await releaseDaemon(node, "agent");
    const fresh = await runPod("after-restart", { node: "node-1" });
    await held.roundTrip();
    expect(await reaches(server, fresh)).toBe("open");
    const after = (await kernelState(node)).split("\n");
    // Dispatch chains name the new pod too; every other rule, set member and route is the one that was there.
    const gone = before.split("\n").filter((line) => !after.includes(line) && !line.includes("wl-dispatch"));
    expect(gone).toEqual([]);
  });

  test("is waited for by the pods that start and end meanwhile", async () => {
    const ending = await runPod("ends-meanwhile", { node: "node-1" });
    await killDaemon(lab.layout, node, "agent", "down");
    await lab.kubectl(["delete", "pod", "ends-meanwhile", "--timeout=30s"]);
    await releaseDaemon(node, "agent");
    await waitFor("the spooled DEL to be carried out", { timeoutMs: 20_000 }, async () => {
      const table = await on(node, "iptables-save");
      const address = await lab.kubectl(["get", "ipamblocks", "--output=jsonpath={.items[*].spec}"]);
      return (!table.includes(ending.address) && !address.includes(ending.containerId)) || undefined;
    });
    expect(await on(node, "ip", "route")).not.toContain(`${ending.address} `);
  });
});

test("a pod cannot speak BGP as its node, to another node or to the router", async () => {
  const pod = await podNamed(lab, "default/on-node-1");
  const others = lab.layout.nodes.filter((one) => one.name !== "node-1").map(({ address }) => address);
  const targets = [...others, "172.18.0.1"].map((address) => ({
    address,
    port: 179,
    protocol: "TCP" as const,
    timeoutMs: 1_500,
  }));
  expect(await askPod(pod.socket, targets)).toEqual(targets.map(() => "timeout"));
});

test("the same ADD again, by a successor of the agent that made it, changes nothing", async () => {
  const pod = await podNamed(lab, "default/on-node-1");
  const other = await podNamed(lab, "default/on-node-2");
  await killDaemon(lab.layout, node, "agent", "up");
  const again = await callCni("ADD", {
    containerId: pod.containerId,
    netns: `/run/netns/${podNetns(pod)}`,
    podName: "on-node-1",
  });
  expect(again).toMatchObject({ exit: 0, ips: [{ address: `${pod.address}/32` }] });
  expect(await reaches(other, pod)).toBe("open");
});

test("a deleted pod is gone from every node: interface, route, rules, set members, address", async () => {
  await lab.kubectl(
    ["apply", "--server-side", "-f", "-"],
    JSON.stringify(policyFor("peers-only", "watched", "deleted-soon")),
  );
  const watchers = await Promise.all(
    lab.layout.nodes.map((one) => runPod(`watched-${one.name}`, { node: one.name, labels: { app: "watched" } })),
  );
  const pod = await runPod("deleted-soon", { node: "node-2", labels: { app: "deleted-soon" } });
  const home = nodeOf("node-2");
  for (const watcher of watchers) {
    await waitFor(
      "the policy to let it in",
      { timeoutMs: 10_000, everyMs: 50 },
      async () => (await reaches(pod, watcher)) === "open" || undefined,
    );
    expect(await on(watcher.node, "ipset", "save")).toContain(` ${pod.address}\n`);
  }
  const host = /dev (cali\S+)/.exec(await on(home, "ip", "route", "get", pod.address))?.[1] ?? "";
  expect(host).toMatch(/^cali/);

  await lab.kubectl(["delete", "pod", "deleted-soon", "--grace-period=0", "--wait=false"]);
  const started = performance.now();
  await waitFor("every trace to go", { timeoutMs: 20_000, everyMs: 20 }, async () => {
    const traces = await Promise.all([
      ...lab.layout.nodes.map(async (one) => (await on(one, "ipset", "save")).includes(` ${pod.address}\n`)),
      on(home, "ip", "link").then((text) => text.includes(host)),
      on(home, "ip", "route").then((text) => text.includes(`${pod.address} `)),
      on(home, "iptables-save").then((text) => text.includes(host)),
      // The history of a block's addresses, beside its spec, still names it.
      lab
        .kubectl(["get", "ipamblocks,ipamhandles", "--output=jsonpath={.items[*].spec}"])
        .then((text) => text.includes(pod.containerId)),
    ]);
    return !traces.includes(true) || undefined;
  });
  process.stdout.write(`a deleted pod left no trace on any node after ${Math.round(performance.now() - started)} ms\n`);
});

describe("bad input to the CNI executable", () => {
  /** One call for a pod in a network namespace made for it. */
  async function call(command: string, podName: string, stdin: string): Promise<Answer> {
    const netns = `by-hand-${podName}`;
    if (command === "ADD") {
      await on(node, "ip", "netns", "add", netns);
      onTestFinished(async () => {
        await on(node, "ip", "netns", "del", netns);
      });
    }
    return callCni(command, { containerId: `byhand${podName}`, netns: `/run/netns/${netns}`, podName }, stdin);
  }

  /** An ADD that must fail, and leave nothing behind. */
  async function badAdd(podName: string, stdin: string): Promise<Answer> {
    const before = await traces();
    const answer = await call("ADD", podName, stdin);
    expect(await on(node, "ip", "-n", `by-hand-${podName}`, "-br", "link")).not.toContain("eth0");
    expect(await traces()).toEqual(before);
    return answer;
  }

  const traces = async () => ({
    links: (await on(node, "ip", "-br", "link")).match(/cali\w+/g),
    rules: (await on(node, "iptables-save")).split("\n").filter((line) => line.startsWith(":cali")),
    attachments: await on(node, "ls", "/var/lib/margay/cni/attachments"),
    routes: (await on(node, "ip", "route")).match(/cali\w+/g),
    handles: await lab.kubectl(["get", "ipamhandles", "--output=name"]),
  });

  test("a malformed configuration", async () => {
    const answer = await badAdd("malformed", '{"cniVersion":"1.0.0", "type":');
    expect(answer).toMatchObject({ code: 6, exit: 1 });
    expect(answer.msg).toMatch(/^Cannot read /);
  });

  test("an unknown pod", async () => {
    const answer = await badAdd("nobody", JSON.stringify(conf()));
    expect(answer).toMatchObject({ code: 100, exit: 1 });
    expect(answer.msg).toContain("default/nobody");
  });

  test("an exhausted pool", async () => {
    // With the runtime away, the pods are bound to the node and nobody else wires them.
    await killDaemon(lab.layout, node, "runtime", "down");
    onTestFinished(() => releaseDaemon(node, "runtime"));
    const spec = { cidr: "10.77.0.0/32", blockSize: 32, nodeSelector: "!all()" };
    await apply({ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "tiny" }, spec });
    for (const podName of ["fits", "comes-late"]) await apply(podObject(podName, { node: "node-1" }));
    const stdin = JSON.stringify(conf({ ipam: { type: "calico-ipam", ipv4_pools: ["tiny"] } }));

    const first = await call("ADD", "fits", stdin);
    onTestFinished(async () => {
      await call("DEL", "fits", stdin);
    });
    expect(first).toMatchObject({ exit: 0, ips: [{ address: "10.77.0.0/32" }] });
    const answer = await badAdd("comes-late", stdin);
    expect(answer).toMatchObject({ code: 101, exit: 1 });
    expect(answer.msg).toContain("tiny");
  });

  test("an API server that does not answer", async () => {
    await on(node, "iptables", "-I", "OUTPUT", "-d", "172.18.0.10", "-j", "DROP");
    onTestFinished(async () => {
      await on(node, "iptables", "-D", "OUTPUT", "-d", "172.18.0.10", "-j", "DROP");
    });
    const answer = await badAdd("unasked", JSON.stringify(conf()));
    expect(answer).toMatchObject({ code: 11, exit: 1 });
    expect(answer.msg).toContain("172.18.0.10");
  });
});

function conf(more: object = {}) {
  return {
    cniVersion: "1.0.0",
    name: "k8s-pod-network",
    type: "calico",
    datastore_type: "kubernetes",
    nodename: "node-1",
    ipam: { type: "calico-ipam" },
    ...more,
  };
}

interface Sandbox {
  readonly containerId: string;
  readonly netns: string;
  readonly podName: string;
}

/** What the real executable answers on node-1. */
async function callCni(command: string, sandbox: Sandbox, stdin = JSON.stringify(conf())): Promise<Answer> {
  const environment = [
    `CNI_COMMAND=${command}`,
    `CNI_CONTAINERID=${sandbox.containerId}`,
    `CNI_NETNS=${sandbox.netns}`,
    "CNI_IFNAME=eth0",
    "CNI_PATH=/opt/cni/bin",
    `CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=${sandbox.podName}`,
  ];
  const script = 'out=$(env "$@" /opt/cni/bin/calico); printf "%s\\n%s" "$?" "$out"';
  const text = await inNode(lab.layout, node, ["sh", "-c", script, "sh", ...environment], stdin);
  const [exit, ...answer] = text.split("\n");
  return { exit: Number(exit), ...JSON.parse(answer.join("\n") || "{}") };
}

function policyFor(policyName: string, app: string, peer: string) {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: policyName, namespace: "default" },
    spec: {
      podSelector: { matchLabels: { app } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: peer } } }] }],
    },
  };
}

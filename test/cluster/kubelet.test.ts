/** A real kubelet and containerd as users of the CNI executables, on one node beside one with the stand-in. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askPod } from "../../lab/ask-pod.ts";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { type LabPod, podNamed } from "../../lab/lab-pods.ts";
import { type NodeLayout, nodeNamed, outsideAddresses } from "../../lab/layout.ts";
import { bootNode, inNode, stopNode } from "../../lab/node.ts";
import { clientPort, clientSocket } from "../../lab/outside-client.ts";
import { isAlive, kill } from "../../lab/processes.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import { holdConnection } from "./held-connection.ts";
import { deploymentOn, groupProcesses, mainProcess, type ProbePod, readyPods, tracesOn } from "./kubelet-node.ts";

const name = "kubelet";
const patience = { timeoutMs: 60_000, everyMs: 200 };
const outside = `${outsideAddresses[0]}:${clientPort}`;
let lab: Lab;
let node: NodeLayout;
/** What the node has without any pod. */
let bare: Awaited<ReturnType<typeof tracesOn>>;
/** On the other node, with the stand-in. */
let far: LabPod;

beforeAll(async () => {
  lab = await startLab({ name, nodes: 2, kubeletNodes: 1, progress: () => {} });
  node = nodeNamed(lab.layout, "node-1");
  bare = await tracesOn(lab, node);
  const containers = [{ name: "echo", image: "lab/echo", ports: [{ containerPort: 8080 }] }];
  const spec = { nodeName: "node-2", containers };
  await apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "far", namespace: "default" }, spec });
  await lab.kubectl(["wait", "--for=condition=Ready", "pod/far", "--timeout=60s"]);
  far = await podNamed(lab, "far");
});

afterAll(() => removeLab(name));

const apply = (object: object) => lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));
const on = (...argv: string[]) => inNode(lab.layout, node, argv);

/** Applies the Deployment and waits until all of it is Ready. */
async function rollOut(app: string, replicas: number, container: object = {}): Promise<readonly ProbePod[]> {
  await apply(deploymentOn(node, app, replicas, container));
  await lab.kubectl(["rollout", "status", `deployment/${app}`, "--timeout=120s"]);
  return readyPods(lab, app);
}

/** The app's Ready pods once there are so many, and all of them are to one's liking. */
function pods(app: string, count: number, like: (pod: ProbePod) => boolean = () => true): Promise<readonly ProbePod[]> {
  return waitFor(`${count} pods of ${app}`, patience, async () => {
    const all = await readyPods(lab, app);
    return (all.length === count && all.every(like)) || undefined ? all : undefined;
  });
}

/** What a program in the pod's container was answered, from where kubelet runs it. */
async function ask(from: ProbePod, target: string, protocol = "tcp"): Promise<string> {
  const argv = ["exec", from.name, "--", "/probe", "ask", protocol, target];
  return (await lab.kubectl(argv)).trim();
}

async function reachable(targets: readonly ProbePod[]): Promise<void> {
  const questions = targets.flatMap(({ address }) =>
    (["TCP", "UDP"] as const).map((protocol) => ({ address, port: 8080, protocol, timeoutMs: 2_000 })),
  );
  await waitFor("an answer of every pod to the other node", { timeoutMs: 20_000, everyMs: 100 }, async () => {
    const answers = await askPod(far.socket, questions);
    return answers.every((answer) => answer === "open") || undefined;
  });
}

async function onlyTheseAreLeft(left: readonly ProbePod[]): Promise<void> {
  await waitFor("nothing of other pods on the node", patience, async () => {
    const { netns = [], links = [], shims = [], routes = [], addresses = [] } = await tracesOn(lab, node);
    const counts = [netns, links, shims, routes].map(({ length }) => length);
    const wanted = left.map(({ address }) => address).sort();
    return (
      (counts.every((count) => count === left.length) && addresses.toSorted().join() === wanted.join()) || undefined
    );
  });
}

const probes = {
  readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  livenessProbe: { exec: { command: ["/probe", "ask", "tcp", "127.0.0.1:8080"] }, periodSeconds: 5 },
};

test("pods of a Deployment start, and reach each other, the other node and what is outside", async () => {
  const web = await rollOut("web", 3, { ...probes, env: [{ name: "FIRST", value: outside }] });
  expect(web).toHaveLength(3);
  await reachable(web);
  const [first, ...others] = web as [ProbePod, ...ProbePod[]];
  for (const other of others) {
    expect(await ask(first, `${other.address}:8080`)).toBe("open");
    expect(await ask(other, `${first.address}:8080`, "udp")).toBe("open");
  }
  expect(await ask(first, `${far.address}:8080`)).toBe("open");
  for (const pod of web) expect(await lab.kubectl(["logs", pod.name])).toMatch(`first ${outside} open after `);
});

test("a pod is not Ready while its probe is refused", async () => {
  const readinessProbe = { exec: { command: ["/probe", "ask", "tcp", "127.0.0.1:9"] }, periodSeconds: 1 };
  await apply(deploymentOn(node, "unready", 1, { readinessProbe }));
  const said = await waitFor("what kubelet says of it", patience, async () => {
    const argv = ["get", "events", "--field-selector=reason=Unhealthy", "--output=jsonpath={.items[*].message}"];
    return (await lab.kubectl(argv)) || undefined;
  });
  expect(said).toContain("ECONNREFUSED");
  expect(await readyPods(lab, "unready")).toEqual([]);
  await lab.kubectl(["delete", "deployment", "unready", "--cascade=foreground", "--timeout=60s"]);
});

test("a killed container is started again in its sandbox, with the address it had", async () => {
  const [pod, ...others] = (await pods("web", 3)) as [ProbePod, ...ProbePod[]];
  const netns = await on("ls", "/run/netns");
  await on("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", pod.containerId);
  const again = (await pods("web", 3, ({ name: which, restarts }) => restarts === (which === pod.name ? 1 : 0)))[0];
  expect(again).toMatchObject({ name: pod.name, address: pod.address });
  expect(again?.containerId).not.toBe(pod.containerId);
  expect(await on("ls", "/run/netns")).toBe(netns);
  await reachable([pod, ...others]);
});

test("a deleted pod goes with its sandbox, and its successor has one of its own", async () => {
  const [pod] = (await pods("web", 3)) as [ProbePod];
  await lab.kubectl(["delete", "pod", pod.name, "--timeout=60s"]);
  const web = await pods("web", 3, ({ name: which }) => which !== pod.name);
  await reachable(web);
  await onlyTheseAreLeft(web);
});

test("a restarted rollout replaces every pod", async () => {
  const before = (await pods("web", 3)).map((pod) => pod.name);
  await lab.kubectl(["rollout", "restart", "deployment/web"]);
  await lab.kubectl(["rollout", "status", "deployment/web", "--timeout=120s"]);
  const web = await pods("web", 3, (pod) => !before.includes(pod.name));
  await reachable(web);
  await onlyTheseAreLeft(web);
});

test("a host port leads to its pod from outside, over TCP and UDP, as long as the pod is there", async () => {
  const ports = [
    { containerPort: 8080, hostPort: 8001 },
    { containerPort: 8080, hostPort: 8001, protocol: "UDP" },
  ];
  await rollOut("front", 1, { ports });
  const question = { address: node.address, port: 8001, timeoutMs: 5_000 };
  const questions = (["TCP", "UDP"] as const).map((protocol) => ({ ...question, protocol }));
  expect(await askPod(clientSocket(lab.layout), questions)).toEqual(["open", "open"]);
  await lab.kubectl(["delete", "deployment", "front", "--cascade=foreground", "--timeout=60s"]);
  expect(await askPod(clientSocket(lab.layout), questions)).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
});

test.each(["kubelet", "containerd"])(
  "a %s that is killed leaves pods, addresses and connections alone",
  async (daemon) => {
    const before = await pods("web", 3);
    const [pod] = before as [ProbePod];
    using held = await holdConnection(lab.layout, far, { address: pod.address, port: 8080 });
    await held.roundTrip();
    const killed = mainProcess(lab, node, daemon);
    await kill(killed === undefined ? [] : [killed]);
    await held.roundTrip();
    const successor = await waitFor(`another ${daemon}`, patience, async () => mainProcess(lab, node, daemon));
    expect(successor).not.toEqual(killed);
    // It serves again: a pod more, and a pod less.
    await lab.kubectl(["scale", "deployment/web", "--replicas=4"]);
    await reachable(await pods("web", 4));
    expect(await ask(pod, `${far.address}:8080`)).toBe("open");
    await lab.kubectl(["scale", "deployment/web", "--replicas=3"]);
    const after = await pods("web", 3);
    await held.roundTrip();
    // Which of the four goes is not ours to say; the others are as they were.
    expect(after.filter((one) => before.some((other) => other.containerId === one.containerId)).length).toBeGreaterThan(
      1,
    );
    await onlyTheseAreLeft(after);
  },
);

test("a drained node is empty, and fills again once it is uncordoned", async () => {
  const before = (await pods("web", 3)).map((pod) => pod.name);
  await lab.kubectl(["drain", node.name, "--timeout=90s"]);
  await onlyTheseAreLeft([]);
  await lab.kubectl(["uncordon", node.name]);
  const web = await pods("web", 3, (pod) => !before.includes(pod.name));
  await reachable(web);
});

test("a node that is powered off and on has its pods again, in new sandboxes", async () => {
  const before = await pods("web", 3);
  await stopNode(lab.layout, node);
  await bootNode(lab.layout, node);
  const old = new Set(before.map(({ containerId }) => containerId));
  const web = await pods("web", 3, ({ containerId }) => !old.has(containerId));
  await reachable(web);
  await onlyTheseAreLeft(web);
});

test("a hundred pods come up and go", { timeout: 400_000 }, async () => {
  await apply(deploymentOn(node, "crowd", 0));
  const seconds = async (work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    return ((performance.now() - started) / 1000).toFixed(1);
  };
  const up = await seconds(async () => {
    await lab.kubectl(["scale", "deployment/crowd", "--replicas=100"]);
    await lab.kubectl(["rollout", "status", "deployment/crowd", "--timeout=280s"]);
  });
  const crowd = await readyPods(lab, "crowd");
  expect(new Set(crowd.map(({ address }) => address)).size).toBe(100);
  await reachable(crowd);
  const down = await seconds(async () => {
    await lab.kubectl(["scale", "deployment/crowd", "--replicas=0"]);
    await lab.kubectl(["wait", "--for=delete", "pod", "--selector=app=crowd", "--timeout=280s"]);
  });
  process.stdout.write(`100 pods on one kubelet: all Ready after ${up} s, all gone after ${down} s\n`);
});

test("pods that are gone have left nothing on the node", async () => {
  expect(Object.values(await tracesOn(lab, node)).flat()).not.toEqual(Object.values(bare).flat());
  await lab.kubectl(["delete", "deployment", "--all", "--cascade=foreground", "--timeout=120s"]);
  let left: unknown;
  await waitFor("the node as it was", { timeoutMs: 60_000, everyMs: 500 }, async () => {
    left = await tracesOn(lab, node);
    return JSON.stringify(left) === JSON.stringify(bare) || undefined;
  }).catch(() => {});
  expect(left).toEqual(bare);
});

test("a lab whose node was killed goes without a trace: no process, mount, control group, file", async () => {
  await rollOut("last", 2);
  const all = groupProcesses(node);
  expect(all.length).toBeGreaterThan(10);
  const init = all.find(({ pid }) => /^NSpid:\t\d+\t1$/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
  await kill(init === undefined ? [] : [init]);
  await removeLab(name);
  expect(all.filter(isAlive)).toEqual([]);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(`/${name}`);
  const groups = readdirSync("/sys/fs/cgroup").flatMap((one) => readdirSync(`/sys/fs/cgroup/${one}`));
  expect(groups.filter((group) => group.startsWith(`margay-lab-${name}-`))).toEqual([]);
  expect(existsSync(lab.layout.folder)).toBe(false);
});

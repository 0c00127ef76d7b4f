/** The lab on which new pods are proven to be protected: policies, peers, and meters wherever a packet could come out. */
import { join } from "node:path";
import { type Lab, startLab } from "../../lab/cluster.ts";
import { type LabPod, podNamed, podNetns } from "../../lab/lab-pods.ts";
import { type NodeLayout, nodeNamed, outsideAddresses } from "../../lab/layout.ts";
import { inNode, killDaemon } from "../../lab/node.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { allowedThrough, arriving, inNetns, inNodeNetns, Meter } from "./first-instruction-meter.ts";

/** What stands while pods come and go. */
export interface Stage {
  readonly lab: Lab;
  /** Where new pods are made, by this process in its runtime's stead. */
  readonly home: NodeLayout;
  /** On `home`, and closed to new pods by their own policy. */
  readonly closedHere: string;
  /** On the other node, and closed to new pods by their own policy. */
  readonly closedThere: string;
  /** On `home`; its policy lets in friends of one namespace, by their labels. */
  readonly guardedHere: string;
  /** As `guardedHere`, on the other node. */
  readonly guardedThere: string;
  /** On the other node; its policy lets in the pools' networks. */
  readonly openThere: string;
  /** Wherever a forbidden packet would arrive or leave. None may ever count one. */
  readonly forbidden: readonly Meter[];
  /** Forbidden packets that came out of pods into the node. */
  readonly attempted: Meter;
  /** Of `guardedThere`: what came from pods that may not, by a set that another node has to update. */
  readonly inherited: Meter;
}

/** Ports of forbidden packets, one a pod. Below those that the kernel gives to clients. */
export const forbiddenPorts = [20_000, 31_999] as const;
/** As `forbiddenPorts`, to where another node's set decides. */
export const inheritedPorts = [8_100, 19_999] as const;

/** New pods get their addresses here, so that each is had by one after the other. */
export const reusedPool = "reused";
const reusedCidr = "10.61.0.0/27";

/** The namespaces of new pods, in the order of their rights: friends of the first one are let in. */
export const newcomerNamespaces = ["first-a", "first-b"] as const;

/** Names one pool for each pod that is to be the first of a block. */
export function freshPool(index: number): string {
  return `fresh-${index}`;
}

/** Starts the lab. `freshPools` pools stand ready. When it resolves, no meter has counted anything. */
export async function setStage(name: string, freshPools: number): Promise<Stage> {
  const lab = await startLab({ name, nodes: 2, progress: () => {} });
  const [home, away] = [nodeNamed(lab.layout, "node-1"), nodeNamed(lab.layout, "node-2")];
  await lab.kubectl(
    ["apply", "--server-side", "-f", "-"],
    JSON.stringify(listOf([...namespaces(), ...pools(freshPools)])),
  );
  const peers = await startPeers(lab);
  await lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(listOf(policies())));
  await waitForRoute(lab, away);
  await killDaemon(lab.layout, home, "runtime", "down");
  const binary = join(home.folder, "first-instruction");
  await run([
    "gcc",
    "-static",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-o",
    binary,
    join(import.meta.dirname, "first-instruction.c"),
  ]);
  const meters = await startMeters(lab, peers);
  const address = (app: string) => peers.find((peer) => peer.app === app)?.address ?? "";
  return {
    ...{ lab, home, ...meters },
    ...{ closedHere: address("closed-here"), closedThere: address("closed-there"), openThere: address("open-there") },
    ...{ guardedHere: address("guarded-here"), guardedThere: address("guarded-there") },
  };
}

// --- internal ---

const targetsNamespace = "first-targets";

const listOf = (items: readonly object[]) => ({ apiVersion: "v1", kind: "List", items });

function namespaces(): readonly object[] {
  return [...newcomerNamespaces, targetsNamespace].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { place: name } },
  }));
}

function pools(fresh: number): readonly object[] {
  const pool = (name: string, cidr: string, blockSize: number) => ({
    apiVersion: "projectcalico.org/v3",
    kind: "IPPool",
    metadata: { name },
    spec: { cidr, blockSize, natOutgoing: true, nodeSelector: name === reusedPool ? "all()" : "!all()" },
  });
  const small = Array.from({ length: fresh }, (_, index) =>
    pool(freshPool(index), `10.62.${index >> 5}.${(index & 31) * 8}/29`, 29),
  );
  const limits = { strictAffinity: false, autoAllocateBlocks: true, maxBlocksPerHost: fresh + 20 };
  const configuration = {
    apiVersion: "projectcalico.org/v3",
    kind: "IPAMConfiguration",
    metadata: { name: "default" },
  };
  return [pool(reusedPool, reusedCidr, 27), ...small, { ...configuration, spec: limits }];
}

function policies(): readonly object[] {
  const policy = (namespace: string, name: string, spec: object) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace, name },
    spec,
  });
  const place = (name: string) => ({ namespaceSelector: { matchLabels: { place: name } } });
  const reachable = { ...place(targetsNamespace), podSelector: { matchLabels: { reach: "yes" } } };
  const friends = { ...place(newcomerNamespaces[0]), podSelector: { matchLabels: { role: "friend" } } };
  const networks = ["10.61.0.0/16", "10.62.0.0/16"].map((cidr) => ({ ipBlock: { cidr } }));
  const selects = (...apps: readonly string[]) => ({
    matchExpressions: [{ key: "app", operator: "In", values: apps }],
  });
  return [
    ...newcomerNamespaces.map((namespace) =>
      policy(namespace, "reach", { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [reachable] }] }),
    ),
    policy(targetsNamespace, "guarded", {
      ...{ podSelector: selects("guarded-here", "guarded-there"), policyTypes: ["Ingress"] },
      ingress: [{ from: [friends] }],
    }),
    policy(targetsNamespace, "open", {
      ...{ podSelector: selects("open-there"), policyTypes: ["Ingress"] },
      ingress: [{ from: networks }],
    }),
  ];
}

/** They keep the first block in use, so that it is never given up. */
async function startPeers(lab: Lab): Promise<readonly LabPod[]> {
  const pod = (app: string, nodeName: string, reach: string) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ name: app, namespace: targetsNamespace, labels: { app, reach } },
      annotations: nodeName === "node-1" ? { "cni.projectcalico.org/ipv4pools": JSON.stringify([reusedPool]) } : {},
    },
    spec: {
      nodeName,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          ...{ name: "echo", image: "lab/echo" },
          ports: [{ containerPort: 8080 }, { containerPort: 8080, protocol: "UDP" }],
        },
      ],
    },
  });
  const objects = [
    pod("closed-here", "node-1", "no"),
    pod("guarded-here", "node-1", "yes"),
    pod("closed-there", "node-2", "no"),
    pod("guarded-there", "node-2", "yes"),
    pod("open-there", "node-2", "yes"),
  ];
  await lab.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(listOf(objects)));
  await lab.kubectl([
    "wait",
    "--for=condition=Ready",
    "pods",
    "--all",
    `--namespace=${targetsNamespace}`,
    "--timeout=60s",
  ]);
  return Promise.all(objects.map(({ metadata }) => podNamed(lab, `${targetsNamespace}/${metadata.name}`)));
}

async function waitForRoute(lab: Lab, away: NodeLayout): Promise<void> {
  await waitFor("the route to the new pods' block", { timeoutMs: 30_000, everyMs: 100 }, async () => {
    const route = await inNode(lab.layout, away, ["ip", "route", "show", reusedCidr]);
    return route.includes("proto bird") || undefined;
  });
}

async function startMeters(lab: Lab, peers: readonly LabPod[]) {
  const { client, nodes } = lab.layout;
  const podMeter = (pod: LabPod, ports: readonly [number, number], label?: string) => {
    const place = { name: `${pod.name} (${pod.address})`, run: inNodeNetns(lab, pod.node, podNetns(pod)) };
    return Meter.start({ ...place, hooks: arriving, ports }, label);
  };
  const [home] = nodes;
  const guardedThere = peers.find(({ app }) => app === "guarded-there");
  if (home === undefined || guardedThere === undefined) throw new Error("Cannot find the node and the pod to watch");
  const forbidden = await Promise.all([
    ...peers.map((pod) => podMeter(pod, forbiddenPorts)),
    Meter.start({ name: `client (${outsideAddresses})`, run: inNetns(client), hooks: arriving, ports: forbiddenPorts }),
    Meter.start({ name: home.name, run: inNetns(home.netns), hooks: allowedThrough, ports: forbiddenPorts }),
  ]);
  const coming = { name: `pods of ${home.name}`, run: inNetns(home.netns), hooks: arriving, ports: forbiddenPorts };
  const inherited = await podMeter(guardedThere, inheritedPorts, "inherited");
  return { forbidden, inherited, attempted: await Meter.start(coming, "attempted") };
}

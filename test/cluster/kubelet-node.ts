/** What a node with containerd and kubelet runs, and what its pods have left there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../lab/cluster.ts";
import { probeImage } from "../../lab/kubelet/images.ts";
import type { NodeLayout } from "../../lab/layout.ts";
import { daemonProcesses, inNode } from "../../lab/node.ts";
import { identify, type ProcessIdentity } from "../../lab/processes.ts";
import { run } from "../../lab/run.ts";

/** A pod as its status tells. */
export interface ProbePod {
  readonly name: string;
  readonly address: string;
  /** containerd's, of its only container. */
  readonly containerId: string;
  readonly restarts: number;
}

interface PodItem {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly containerID?: string; readonly restartCount: number }[];
  };
}

/** The pods of this app that are Ready and not on their way out, by name. */
export async function readyPods(lab: Lab, app: string): Promise<readonly ProbePod[]> {
  const { items } = JSON.parse(await lab.kubectl(["get", "pods", `--selector=app=${app}`, "--output=json"])) as {
    readonly items: readonly PodItem[];
  };
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"))
    .map(({ metadata, status }) => {
      const container = status.containerStatuses?.[0];
      const containerId = (container?.containerID ?? "").replace("containerd://", "");
      return { name: metadata.name, address: status.podIP ?? "", containerId, restarts: container?.restartCount ?? 0 };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** A Deployment of the lab's image on this node; `container` is added to its container. */
export function deploymentOn(node: NodeLayout, app: string, replicas: number, container: object = {}): object {
  const containers = [{ name: "probe", image: probeImage, ports: [{ containerPort: 8080 }], ...container }];
  const spec = { nodeSelector: { "kubernetes.io/hostname": node.name }, containers };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: app, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app } },
      template: { metadata: { labels: { app } }, spec },
    },
  };
}

/** All that pods leave on a node while they are there, by kind. The same as before them, when nothing leaked. */
export async function tracesOn(lab: Lab, node: NodeLayout): Promise<Readonly<Record<string, readonly string[]>>> {
  const told = async (...argv: string[]) =>
    (await inNode(lab.layout, node, argv)).split("\n").filter((line) => line !== "");
  const kept = /\/(attachments|spool|journal)\//;
  const [links, routes, rules] = [
    await told("ip", "-brief", "link"),
    await told("ip", "route"),
    await told("iptables-save"),
  ];
  return {
    links: links.filter((line) => line.startsWith("cali")),
    routes: routes.filter((line) => line.includes(" dev cali")),
    chains: rules.filter((line) => /^:cali-[ft]w-/.test(line)),
    hostPorts: rules.filter((line) => line.startsWith(":CNI-DN-")),
    files: (await told("find", "/var/lib/margay/cni", "-type", "f")).filter((path) => kept.test(path)),
    cniResults: await told("find", "/var/lib/cni", "-type", "f"),
    netns: await told("ls", "/run/netns"),
    // The records of those that ended stay until kubelet's next round of collecting them, once a minute.
    tasks: await told("ctr", "--namespace", "k8s.io", "tasks", "list", "--quiet"),
    shims: (await told("ps", "-e", "-o", "comm=")).filter((line) => line.startsWith("containerd-shim")),
    mounts: (await told("cat", "/proc/mounts")).filter((line) =>
      /\/kubelet\/pods\/|\/io\.containerd\.runtime/.test(line),
    ),
    groups: await told("find", "/sys/fs/cgroup/memory/kubepods", "-type", "d", "-name", "pod*"),
    addresses: await addressesOn(lab, node),
  };
}

/** The process of this daemon, without those that it started and that outlive it. */
export function mainProcess(lab: Lab, node: NodeLayout, daemon: string): ProcessIdentity | undefined {
  return daemonProcesses(lab.layout, node, daemon).find(({ pid }) => commandOf(pid) === daemon);
}

/** Everything that lives in the node's control group, seen from this machine: containers too, which carry no mark of the lab. */
export function groupProcesses(node: NodeLayout): readonly ProcessIdentity[] {
  const root = join("/sys/fs/cgroup/pids", `margay-lab-${node.netns}`);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith("cgroup.procs"),
  );
  const pids = files.flatMap((path) => readFileSync(join(root, path), "utf8").split("\n").filter(Boolean));
  return pids.map((pid) => identify(Number(pid))).filter((one) => one !== undefined);
}

// --- internal ---

const margay = [process.execPath, join(import.meta.dirname, "..", "..", "src", "cli", "main.ts")] as const;

/** An address in the report of `ipam check`. */
interface HeldAddress {
  readonly ip: string;
  readonly node?: string;
  readonly coolingDown?: true;
  readonly owners: readonly string[];
}

/** What IPAM says is in use there, without what is held for pods to come; and everything that it finds wrong, wherever. */
async function addressesOn(lab: Lab, node: NodeLayout): Promise<readonly string[]> {
  const said = await run([...margay, "ipam", "check", "--output", "json"], { env: { KUBECONFIG: lab.kubeconfig } });
  const report = JSON.parse(said) as {
    readonly problems: readonly object[];
    readonly allocations: Readonly<Record<string, readonly HeldAddress[]>>;
  };
  const used = Object.values(report.allocations)
    .flat()
    .filter(({ coolingDown, owners }) => coolingDown === undefined && !owners.includes(`Reserve of node ${node.name}`));
  return [
    ...used.filter((one) => one.node === node.name).map(({ ip }) => ip),
    ...report.problems.map((problem) => JSON.stringify(problem)),
  ];
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch (cause) {
    if (["ENOENT", "ESRCH"].includes((cause as NodeJS.ErrnoException).code ?? "")) return "";
    throw cause;
  }
}

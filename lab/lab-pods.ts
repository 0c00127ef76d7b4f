/** The pods that run in a lab, and how to reach into them from this machine. */
import { join } from "node:path";
import type { Lab } from "./cluster.ts";
import { type NodeLayout, nodeNamed } from "./layout.ts";
import { nodePath } from "./node.ts";
import { echoPortsOf, type PodObject } from "./runtime/pod-object.ts";
import { socketName } from "./runtime/sandboxes.ts";

export interface LabPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: NodeLayout;
  readonly address: string;
  /** Its `app` label. */
  readonly app: string | undefined;
  /** TCP. */
  readonly ports: readonly number[];
  readonly containerId: string;
  /** Its control socket (see pod.ts), as this machine sees it. */
  readonly socket: string;
}

type RunningPod = PodObject & {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string; readonly containerStatuses: readonly { readonly containerID: string }[] };
};

/** Every running pod, by namespace and name. */
export async function readPods(lab: Lab): Promise<readonly LabPod[]> {
  const argv = ["get", "pods", "--all-namespaces", "--field-selector=status.phase=Running", "--output=json"];
  const { items } = JSON.parse(await lab.kubectl(argv)) as { items: readonly RunningPod[] };
  return items
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map((pod) => labPodOf(lab, pod))
    .sort((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`));
}

/** The running pod `NAMESPACE/NAME`, or `NAME` of namespace default. Throws a sentence when there is none. */
export async function podNamed(lab: Lab, text: string): Promise<LabPod> {
  const [namespace = "", name = ""] = text.includes("/") ? text.split("/") : ["default", text];
  const found = (await readPods(lab)).find((pod) => pod.namespace === namespace && pod.name === name);
  if (found === undefined) throw new Error(`Cannot find a running pod ${namespace}/${name}: margay lab pod lists them`);
  return found;
}

/** The name of the pod's network namespace on its node. */
export function podNetns({ containerId }: LabPod): string {
  return `cni-${containerId.slice(0, 12)}`;
}

// --- internal ---

function labPodOf({ layout }: Lab, pod: RunningPod): LabPod {
  const node = nodeNamed(layout, pod.spec.nodeName);
  const containerId = (pod.status.containerStatuses[0]?.containerID ?? "").replace("lab://", "");
  return {
    namespace: pod.metadata.namespace,
    name: pod.metadata.name,
    node,
    address: pod.status.podIP,
    app: pod.metadata.labels?.["app"],
    ports: echoPortsOf(pod).flatMap(({ port, protocol }) => (protocol === "TCP" ? [port] : [])),
    containerId,
    socket: nodePath(layout, node, join("/run/margay-lab/pods", socketName(containerId))),
  };
}

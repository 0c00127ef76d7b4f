/** What a lab consists of: names, addresses and folders, all derived from its name and its number of nodes. */
import { join } from "node:path";

export interface LabLayout {
  readonly name: string;
  /** All that the lab keeps on disk. */
  readonly folder: string;
  /** Network namespaces. */
  readonly router: string;
  readonly control: string;
  readonly client: string;
  readonly nodes: readonly NodeLayout[];
}

export interface NodeLayout {
  /** The name of its Node object, e.g. `node-1`. */
  readonly name: string;
  readonly netns: string;
  readonly rack: 1 | 2;
  readonly address: string;
  readonly gateway: string;
  readonly folder: string;
  /** What runs its pods: containerd and kubelet, or what stands in for both (lab/runtime). */
  readonly runtime: "kubelet" | "stand-in";
}

export const controlAddress = "172.18.0.10";
/** Of the one machine outside the cluster: two, so that a policy can tell them apart. */
export const outsideAddresses = ["172.18.9.10", "172.18.9.20"] as const;
export const podCidr = "192.168.0.0/16";
export const nodeAs = 64512;
export const routerAs = 64513;
const mostNodes = 20;

/** Where the labs of this machine keep their folders: on disk, outside any checkout, and not in /run. */
export const labsFolder = "/var/tmp/margay-lab";

/**
 * The lab of this name. Throws a sentence for a name that is not lower-case letters, digits and inner dashes (at most 20,
 * a letter first), for a number of nodes outside 1 to 20, and for more kubelets than nodes. The first `kubeletNodes` nodes
 * run kubelet.
 */
export function layoutOf(name: string, nodeCount: number, kubeletNodes = 0): LabLayout {
  if (!/^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `Cannot use ${JSON.stringify(name)} as the name of a lab: up to 20 lower-case letters, digits and inner dashes, a letter first`,
    );
  }
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > mostNodes) {
    throw new Error(`Cannot make a lab of ${nodeCount} nodes: 1 to ${mostNodes} are possible`);
  }
  if (!Number.isInteger(kubeletNodes) || kubeletNodes < 0 || kubeletNodes > nodeCount) {
    throw new Error(`Cannot run kubelet on ${kubeletNodes} of ${nodeCount} nodes: 0 to ${nodeCount} are possible`);
  }
  const folder = join(labsFolder, name);
  const nodes = Array.from({ length: nodeCount }, (_, index) => {
    const runtime = index < kubeletNodes ? "kubelet" : "stand-in";
    return { ...placeOf(name, folder, index + 1), runtime } as const;
  });
  return { name, folder, router: `${name}-router`, control: `${name}-control`, client: `${name}-client`, nodes };
}

/** Every network namespace of the lab. */
export function namespacesOf({ router, control, client, nodes }: LabLayout): readonly string[] {
  return [router, control, client, ...nodes.map(({ netns }) => netns)];
}

/** The node of this name. Throws a sentence that lists the nodes when there is none. */
export function nodeNamed(layout: LabLayout, name: string): NodeLayout {
  const node = layout.nodes.find((one) => one.name === name);
  if (node === undefined) {
    throw new Error(
      `Cannot find node ${name} in lab ${layout.name}: it has ${layout.nodes.map((one) => one.name).join(", ")}`,
    );
  }
  return node;
}

// --- internal ---

/** Odd nodes stand in rack 1, even ones in rack 2. */
function placeOf(lab: string, folder: string, index: number): Omit<NodeLayout, "runtime"> {
  const rack = index % 2 === 1 ? 1 : 2;
  const name = `node-${index}`;
  return {
    name,
    netns: `${lab}-${name}`,
    rack,
    address: `172.18.${rack}.${10 + index}`,
    gateway: `172.18.${rack}.1`,
    folder: join(folder, "nodes", name),
  };
}

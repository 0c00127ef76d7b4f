/** The node's own objects: its Node, and the Lease that shows it is alive. */
import { type KubeClient, KubeError } from "../../src/kube/client.ts";

export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  readonly rack: string;
}

const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/** Makes the Node object where it is missing. */
export async function registerNode(client: KubeClient, { name, rack }: NodeFacts): Promise<void> {
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "topology.kubernetes.io/zone": `rack-${rack}`,
  };
  const body = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec: {} };
  await unlessThere(client.request("POST", "/api/v1/nodes", { body }));
}

/** Writes the Node's status: ready once the node has a network configuration, as a kubelet has it. */
export async function reportNode(client: KubeClient, facts: NodeFacts, notReady: string | undefined): Promise<void> {
  const now = new Date().toISOString();
  const condition = (type: string, isTrue: boolean, reason: string, message: string) => ({
    ...{ type, status: isTrue ? "True" : "False", reason, message },
    ...{ lastHeartbeatTime: now, lastTransitionTime: now },
  });
  const resources = { cpu: "16", memory: "32Gi", pods: "110", "ephemeral-storage": "100Gi" };
  const status = {
    addresses: [
      { type: "InternalIP", address: facts.address },
      { type: "Hostname", address: facts.name },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition("Ready", notReady === undefined, notReady === undefined ? "LabReady" : "LabNotReady", notReady ?? ""),
      ...["MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => condition(type, false, "LabHasEnough", "")),
    ],
  };
  // As kubelet does: conditions of others stay.
  await client.patch(`/api/v1/nodes/${facts.name}/status`, { status }, { type: "strategic" });
}

/** Renews the Lease, or makes it. Without it controller-manager takes the node for dead after 40 s. */
export async function renewLease(client: KubeClient, { name }: NodeFacts): Promise<void> {
  const spec = {
    holderIdentity: name,
    leaseDurationSeconds: 40,
    renewTime: new Date().toISOString().replace("Z", "000Z"),
  };
  const body = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace: "kube-node-lease" },
    spec,
  };
  try {
    await client.patch(`${leases}/${name}`, { spec }, { type: "merge" });
  } catch (error) {
    if (!(error instanceof KubeError && error.reason === "NotFound")) throw error;
    await unlessThere(client.request("POST", leases, { body }));
  }
}

// --- internal ---

async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
  }
}

import type { KubeClient } from "../../src/kube/client.ts";
import { benchedNode } from "../cni/objects.ts";
import { drive } from "../load.ts";
import type { Measured } from "./measure.ts";
import {
  editedPolicy,
  flipped,
  flippedPod,
  localPods,
  namespaceCount,
  namespaceName,
  namespaceObject,
  otherNodes,
  podIdentity,
  podObject,
  podStatus,
  policyIdentity,
  policyObject,
  poolObject,
} from "./objects.ts";
import type { WorkerRequest } from "./worker.ts";

/**
 * Brings the cluster from `there` to `size` pods and policies; the benched node's own pods are there from the first time on, and
 * are not counted before. Namespaces of pods depend on the largest size, so that a pod stays where it is.
 */
export async function fill(client: KubeClient, { size, there, most }: WorkerRequest): Promise<Measured> {
  const many = (count: number, act: (index: number) => Promise<unknown>) =>
    drive({ count, concurrency: 40, signal: new AbortController().signal }, act);
  const create = (path: string, body: object) => client.request("POST", path, { body });
  if (there === 0) {
    await many(namespaceCount(most), (index) => create("/api/v1/namespaces", namespaceObject(index)));
    await create("/apis/projectcalico.org/v3/ippools", poolObject);
    await create(policiesPath(namespaceName(0)), editedPolicy(8080));
    await create(podsPath(namespaceName(0)), flippedPod());
    await report(client, flipped, {
      status: { phase: "Running", podIP: flipped.address, podIPs: [{ ip: flipped.address }] },
    });
    for (const name of [benchedNode, ...otherNodes(most)]) {
      await create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
    }
  }
  const first = there === 0 ? 0 : Math.max(there, localPods);
  await many(Math.max(0, Math.max(size, localPods) - first), async (offset) => {
    const index = first + offset;
    const identity = podIdentity(index, most);
    await create(podsPath(identity.namespace), podObject(index, most));
    if (index >= localPods) await report(client, identity, podStatus(index));
  });
  await many(size - there, (offset) => {
    const { namespace } = policyIdentity(there + offset, most);
    return create(policiesPath(namespace), policyObject(there + offset, most));
  });
  return {};
}

/** Where the pods of a namespace are. */
export function podsPath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** Where its NetworkPolicies are. */
export function policiesPath(namespace: string): string {
  return `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
}

// --- internal ---

function report(client: KubeClient, { namespace, name }: { namespace: string; name: string }, status: object) {
  return client.patch(`${podsPath(namespace)}/${name}/status`, status, { type: "merge" });
}

import { namespacedName } from "../api/names.ts";
import type { Pod } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { fromCache } from "./from-cache.ts";
import type { PodReference } from "./request.ts";

/**
 * The pod that the runtime wants wired, as the watch cache holds it, since that is what policy goes by. The cache may lag
 * behind the kubelet's: after a moment one request tells whether there is anything to wait for. Throws a `CniError` (100) when
 * the API server has no such pod, or has it on another node; rejects when `signal` aborts the wait.
 */
export async function findPod(reference: PodReference, node: CniDependencies, signal: AbortSignal): Promise<Pod> {
  let pod = await cachedPod(reference, node, signal);
  if (pod === undefined) requireHere(reference, await requestedPod(reference, node, signal), node);
  while (pod === undefined) pod = await cachedPod(reference, node, signal);
  requireHere(reference, pod, node);
  return pod;
}

// --- internal ---

function requireHere(reference: PodReference, pod: Pod, node: CniDependencies): void {
  if (pod.node !== undefined && pod.node !== node.nodeName) {
    throw unknown(reference, `it is bound to node ${pod.node}, not to ${node.nodeName}`);
  }
}

function cachedPod(reference: PodReference, node: CniDependencies, signal: AbortSignal): Promise<Pod | undefined> {
  const key = namespacedName(reference.namespace, reference.name);
  const look = () => {
    const pod = node.cachedPod(key);
    return pod !== undefined && isSamePod(pod, reference) ? pod : undefined;
  };
  return fromCache(look, node, signal);
}

async function requestedPod(reference: PodReference, node: CniDependencies, signal: AbortSignal): Promise<Pod> {
  const pod = await node.readPod(namespacedName(reference.namespace, reference.name), signal);
  if (pod === undefined) throw unknown(reference, "the API server has no such pod");
  if (!isSamePod(pod, reference)) {
    throw unknown(reference, `its UID is ${reference.uid}, but the pod of this name is now ${pod.uid}`);
  }
  return pod;
}

/** A static pod's UID on the node is its configuration's hash, which its mirror pod carries as an annotation. */
function isSamePod(pod: Pod, { uid }: PodReference): boolean {
  return uid === undefined || pod.uid === uid || pod.annotations["kubernetes.io/config.hash"] === uid;
}

function unknown({ namespace, name }: PodReference, why: string): CniError {
  return new CniError(cniCode.unknownPod, `Cannot wire pod ${namespace}/${name}: ${why}`);
}

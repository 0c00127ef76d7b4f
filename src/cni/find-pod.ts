import { namespacedName } from "../api/names.ts";
import type { Pod } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { fromCache } from "./from-cache.ts";
import type { PodReference } from "./request.ts";

/**
 * The pod that the runtime wants wired: from the watch cache, which may lag a moment behind the kubelet's, and then by
 * one request. Throws a `CniError` (100) when the API server has no such pod, or has it on another node.
 */
export async function findPod(reference: PodReference, node: CniDependencies, signal: AbortSignal): Promise<Pod> {
  const pod = (await cachedPod(reference, node, signal)) ?? (await requestedPod(reference, node, signal));
  if (pod.node !== undefined && pod.node !== node.nodeName) {
    throw unknown(reference, `it is bound to node ${pod.node}, not to ${node.nodeName}`);
  }
  return pod;
}

// --- internal ---

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

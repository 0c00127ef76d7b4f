import type { BgpPeer } from "../../api/bgp-peer.ts";
import { labelledPod, labelOf } from "../../api/endpoint-labels.ts";
import { type NodeName, namespacedName } from "../../api/names.ts";
import type { Attachment, Pod } from "../../api/objects.ts";
import { parseSelector } from "../../api/selector/parse-selector.ts";
import { selectorMatchesBy } from "../../api/selector/selector-matches.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareIps, type Ip, versionOf } from "../../net/ip.ts";

/**
 * The addresses of this node's own pods that a BGPPeer's localWorkloadSelector chooses, by all labels that policy knows a pod by:
 * the first of each family of each of a pod's interfaces. A pod whose namespace is not known yet is no neighbour.
 */
export function workloadAddresses(
  { spec }: BgpPeer,
  snapshot: Pick<Snapshot, "attachment" | "pod" | "namespace" | "serviceAccount">,
  node: NodeName,
): readonly Ip[] {
  const selector = parseSelector(spec.localWorkloadSelector ?? "");
  const isChosen = (pod: Pod): boolean => {
    const namespace = snapshot.namespace.get(pod.namespace);
    if (namespace === undefined) return false;
    const account = () => snapshot.serviceAccount.get(namespacedName(pod.namespace, pod.serviceAccount));
    const labelled = labelledPod(pod, namespace, account);
    return selectorMatchesBy(selector, (label) => labelOf(labelled, label));
  };
  return [...snapshot.attachment.values()]
    .filter((attachment) => {
      const pod = snapshot.pod.get(attachment.pod);
      return pod !== undefined && runsHere(pod, attachment, node) && isChosen(pod);
    })
    .flatMap(({ addresses }) => ([4, 6] as const).flatMap((one) => addresses.find((ip) => versionOf(ip) === one) ?? []))
    .sort(compareIps);
}

// --- internal ---

/** A pod of the same name that was made anew is another pod, and may be elsewhere. */
function runsHere(pod: Pod, { podUid }: Attachment, node: NodeName): boolean {
  return pod.node === node && !pod.finished && !pod.hostNetwork && (!podUid || !pod.uid || podUid === pod.uid);
}

import type { NodeName } from "../../api/names.ts";
import type { Attachment, Pod } from "../../api/objects.ts";
import type { PodTable } from "./pod-table.ts";

/** The pods, as one node sees them. */
export interface LocalPods {
  readonly node: NodeName;
  readonly pods: PodTable;
}

/** The pod that the attachment was made for, if it is known, runs here and is to be reached by its own address. */
export function openPodOf(attachment: Attachment, { node, pods }: LocalPods): Pod | undefined {
  const pod = pods.get(attachment.pod);
  if (pod === undefined || pod.finished || pod.hostNetwork) return undefined;
  // A pod of the same name that was made anew is another pod, and may be elsewhere.
  if (attachment.podUid && pod.uid && attachment.podUid !== pod.uid) return undefined;
  if (pod.node !== undefined && pod.node !== node) return undefined;
  return pod;
}

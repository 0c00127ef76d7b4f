import { podKind, resourcePath } from "../api/kinds.ts";
import { podAnnotations } from "../api/kubernetes/pod.ts";
import { type NamespacedName, splitName } from "../api/names.ts";
import { type KubeClient, KubeError } from "./client.ts";

/** What a write to a Pod came to. `gone`: there is no such pod. `another`: it is not the one that was meant. */
export type PodWrite = "written" | "gone" | "another";

/** Which pod is meant: the one of this name whose UID is this. */
export interface PodIdentity {
  readonly pod: NamespacedName;
  readonly uid: string;
}

/** How a write ends before its answer. */
interface WriteOptions {
  readonly signal: AbortSignal;
}

/**
 * Sets annotations of a Pod, `null` to remove one, by one request for its subresource `status`, which is all that the
 * agent's role grants. Rejects as `KubeClient.patch` does. `another` may also mean that many wrote at once: try again when
 * the pod is known to be the right one.
 */
export function annotatePod(
  client: KubeClient,
  { pod, uid }: PodIdentity,
  annotations: Readonly<Record<string, string | null>>,
  { signal }: WriteOptions,
): Promise<PodWrite> {
  // The API server refuses a patch that would change the UID, as a conflict or as invalid: so it is a precondition.
  const body = { metadata: { uid, annotations } };
  // A strategic merge is what the API server makes for a tenth less time than a merge patch.
  const isUnmet = ({ reason, message }: KubeError) =>
    reason === "Conflict" || (reason === "Invalid" && message.includes("metadata.uid"));
  return outcomeOf(
    client.patch(pathOf(pod), body, { type: "strategic", metadataOnly: true, signal, timeoutMs }),
    isUnmet,
  );
}

/**
 * Empties the annotations of a Pod's addresses, if they are those of `containerId` still: one request, whose condition the
 * API server checks. `containerID` stays, as upstream leaves it. Rejects as `KubeClient.patch` does.
 */
export function emptyPodAddresses(
  client: KubeClient,
  { pod, uid, containerId }: PodIdentity & { readonly containerId: string },
  { signal }: WriteOptions,
): Promise<PodWrite> {
  const body = [
    { op: "test", path: "/metadata/uid", value: uid },
    { op: "test", path: pointerTo(podAnnotations.containerId), value: containerId },
    { op: "add", path: pointerTo(podAnnotations.podIp), value: "" },
    { op: "add", path: pointerTo(podAnnotations.podIps), value: "" },
  ];
  const isUnmet = ({ reason }: KubeError) => reason === "Invalid";
  return outcomeOf(client.patch(pathOf(pod), body, { type: "json", metadataOnly: true, signal, timeoutMs }), isUnmet);
}

// --- internal ---

const timeoutMs = 10_000;

function pathOf(pod: NamespacedName): string {
  const [namespace, name] = splitName(pod);
  return `${resourcePath(podKind, { namespace, name })}/status`;
}

/** RFC 6901. */
function pointerTo(annotation: string): string {
  return `/metadata/annotations/${annotation.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

async function outcomeOf(answer: Promise<unknown>, isUnmet: (error: KubeError) => boolean): Promise<PodWrite> {
  try {
    await answer;
    return "written";
  } catch (error) {
    if (error instanceof KubeError && error.reason === "NotFound") return "gone";
    if (error instanceof KubeError && isUnmet(error)) return "another";
    throw error;
  }
}

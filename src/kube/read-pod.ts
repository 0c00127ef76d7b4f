import { podKind, resourcePath } from "../api/kinds.ts";
import { parsePod } from "../api/kubernetes/pod.ts";
import { type NamespacedName, splitName } from "../api/names.ts";
import type { Pod } from "../api/objects.ts";
import type { KubeClient } from "./client.ts";
import { readIfThere } from "./read-if-there.ts";

/** A runtime waits for this answer. */
const answerMs = 10_000;

/** The pod as the API server holds it now, or undefined when it has none of this name. Rejects as `request` does. */
export async function readPod(client: KubeClient, pod: NamespacedName, signal: AbortSignal): Promise<Pod | undefined> {
  const [namespace, name] = splitName(pod);
  const json = await readIfThere(client, resourcePath(podKind, { namespace, name }), { signal, timeoutMs: answerMs });
  return json === undefined ? undefined : parsePod(json);
}

import { podKind, resourcePath } from "../../api/kinds.ts";
import { parsePod } from "../../api/kubernetes/pod.ts";
import { type NamespacedName, namespacedName } from "../../api/names.ts";
import type { Pod } from "../../api/objects.ts";
import { listPages } from "../../kube/list-all.ts";
import { readPod } from "../../kube/read-pod.ts";
import { inParallel } from "../../net/in-parallel.ts";
import type { ControllerParts } from "../controller.ts";

type PodParts = Pick<ControllerParts, "client" | "logger">;

/**
 * What the API server holds now of these pods, past every cache; undefined: it has no such pod. What it did not say, or
 * what cannot be read, is left out.
 */
export async function readPods(
  names: ReadonlySet<NamespacedName>,
  parts: PodParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<NamespacedName, Pod | undefined>> {
  return names.size > mostSingleReads ? listPods(names, parts, signal) : readEach(names, parts, signal);
}

// --- internal ---

/** Of more, a list of all pods is less work for the API server. */
const mostSingleReads = 500;
const parallel = 16;

async function readEach(names: ReadonlySet<NamespacedName>, { client, logger }: PodParts, signal: AbortSignal) {
  const pods = new Map<NamespacedName, Pod | undefined>();
  await inParallel(names, parallel, async (name) => {
    try {
      pods.set(name, await readPod(client, name, signal));
    } catch (error) {
      logger.warn({ pod: name, err: error }, "cannot see whether a pod is there: its addresses are kept");
    }
  });
  return pods;
}

async function listPods(names: ReadonlySet<NamespacedName>, { client, logger }: PodParts, signal: AbortSignal) {
  const pods = new Map<NamespacedName, Pod | undefined>([...names].map((name) => [name, undefined]));
  try {
    // Without a resourceVersion: of this moment.
    for await (const { items } of listPages<PodJson>(client, resourcePath(podKind), { signal })) {
      for (const item of items) {
        const name = namespacedName(item.metadata.namespace, item.metadata.name);
        if (!names.has(name)) continue;
        try {
          pods.set(name, parsePod(item));
        } catch (error) {
          pods.delete(name);
          logger.warn({ pod: name, err: error }, "cannot read a pod: its addresses are kept");
        }
      }
    }
    return pods;
  } catch (error) {
    logger.warn({ pods: names.size, err: error }, "cannot see which pods are there: their addresses are kept");
    return new Map<NamespacedName, Pod | undefined>();
  }
}

interface PodJson {
  readonly metadata: { readonly namespace: string; readonly name: string };
}

import { z } from "zod";
import type { Ip } from "../../net/ip.ts";
import { ipField } from "../fields.ts";
import type { NodeName } from "../names.ts";
import type { Pod } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

/** Upstream's CNI plugin writes it once it has addresses, and empties it when it has given them back. */
const podIpAnnotation = "cni.projectcalico.org/podIP";

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1), uid: z.string() }),
  spec: z.object({
    nodeName: z.string().nullish(),
    serviceAccountName: z.string().nullish(),
    hostNetwork: z.boolean().nullish(),
  }),
  status: z
    .object({
      phase: z.string().nullish(),
      podIP: z.union([z.literal(""), ipField()]).nullish(),
      podIPs: z.array(z.object({ ip: ipField() })).nullish(),
    })
    .default({}),
});

type PodJson = z.output<typeof schema>;

/** A Pod (v1) as the API server sends it. Throws InvalidObjectError. */
export function parsePod(json: unknown): Pod {
  const pod = parseWith("Pod", schema, json);
  const { metadata, spec } = pod;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    labels: metadata.labels,
    annotations: metadata.annotations,
    node: spec.nodeName ? (spec.nodeName as NodeName) : undefined,
    serviceAccount: spec.serviceAccountName || "default",
    ips: ipsOf(pod),
    hostNetwork: spec.hostNetwork ?? false,
    finished: isFinished(pod),
  };
}

// --- internal ---

/** What the kubelet reports, and nothing else: an annotation is whatever its author likes, also on a pod that never ran. */
function ipsOf({ status }: PodJson): readonly Ip[] {
  if (status.podIPs && status.podIPs.length > 0) return status.podIPs.map(({ ip }) => ip);
  return status.podIP ? [status.podIP] : [];
}

/** Its containers have ended, or the CNI plugin has already given its addresses back: either way they may be in use elsewhere. */
function isFinished({ metadata, status }: PodJson): boolean {
  if (status.phase === "Failed" || status.phase === "Succeeded") return true;
  return metadata.deletionTimestamp !== undefined && metadata.annotations[podIpAnnotation] === "";
}

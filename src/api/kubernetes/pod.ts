import { z } from "zod";
import { type Ip, parseIp, versionOf } from "../../net/ip.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import { compactList } from "../compact-list.ts";
import { ipField } from "../fields.ts";
import type { NodeName } from "../names.ts";
import type { Labels, NamedPort, Pod } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

/**
 * What the node's CNI plugin writes into a Pod's annotations, by upstream's names and in its forms: sooner than the kubelet
 * writes the Pod's status.
 */
export const podAnnotations = {
  /** The container that the addresses are of. It stays when they have been given back. */
  containerId: "cni.projectcalico.org/containerID",
  /** The first address as `10.0.0.1/32`; empty once it has been given back. */
  podIp: "cni.projectcalico.org/podIP",
  /** All of them, `10.0.0.1/32,fd00::1/128`; empty likewise. */
  podIps: "cni.projectcalico.org/podIPs",
} as const;

const containers = z
  .array(
    z.object({
      ports: z
        .array(
          z.object({
            name: z.string().nullish(),
            protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish(),
            containerPort: z.int().min(1).max(65535),
          }),
        )
        .nullish(),
    }),
  )
  .nullish();

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1), uid: z.string() }),
  spec: z.object({
    nodeName: z.string().nullish(),
    serviceAccountName: z.string().nullish(),
    hostNetwork: z.boolean().nullish(),
    containers,
    initContainers: containers,
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
  const ips = ipsOf(pod);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    labels: metadata.labels,
    annotations: metadata.annotations,
    node: spec.nodeName ? (spec.nodeName as NodeName) : undefined,
    serviceAccount: spec.serviceAccountName || "default",
    ips: compactList(ips),
    annotatedIps: compactList(ips.length > 0 ? [] : annotatedIpsOf(metadata.annotations)),
    hostNetwork: spec.hostNetwork ?? false,
    namedPorts: compactList([...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(namedPortsOf)),
    finished: isFinished(pod),
  };
}

// --- internal ---

function namedPortsOf({ ports }: NonNullable<z.output<typeof containers>>[number]): readonly NamedPort[] {
  return (ports ?? []).flatMap(({ name, protocol, containerPort }) =>
    name ? [{ name, protocol: protocolNumbers[protocol ?? "TCP"], port: containerPort }] : [],
  );
}

/** What the kubelet reports, and nothing else. */
function ipsOf({ status }: PodJson): readonly Ip[] {
  if (status.podIPs && status.podIPs.length > 0) return status.podIPs.map(({ ip }) => ip);
  return status.podIP ? [status.podIP] : [];
}

/** None unless they are at most one address of each family: an annotation is whatever its author likes. */
function annotatedIpsOf(annotations: Labels): readonly Ip[] {
  const text = annotations[podAnnotations.podIps] || annotations[podAnnotations.podIp] || "";
  // Far longer than two addresses are: a longer one is not looked at.
  if (text === "" || text.length > 128) return [];
  try {
    const ips = text.split(",").map((one) => parseIp(one.trim().replace(/\/(32|128)$/, "")));
    return new Set(ips.map((ip) => versionOf(ip))).size === ips.length ? ips : [];
  } catch {
    return [];
  }
}

/** Its containers have ended, or the CNI plugin has already given its addresses back: either way they may be in use elsewhere. */
function isFinished({ metadata, status }: PodJson): boolean {
  if (status.phase === "Failed" || status.phase === "Succeeded") return true;
  return metadata.deletionTimestamp !== undefined && metadata.annotations[podAnnotations.podIp] === "";
}

import { z } from "zod";
import { type Ip, isIp, parseIp, versionOf } from "../../net/ip.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import { compactList } from "../compact-list.ts";
import type { Service } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const addresses = z.array(z.string()).nullish();
const policy = z.enum(["Cluster", "Local"]).nullish();

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
  spec: z
    .object({
      type: z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).nullish(),
      clusterIP: z.string().nullish(),
      clusterIPs: addresses,
      externalIPs: addresses,
      loadBalancerIP: z.string().nullish(),
      externalTrafficPolicy: policy,
      internalTrafficPolicy: policy,
      healthCheckNodePort: z.int().nullish(),
      ipFamilies: z.array(z.enum(["IPv4", "IPv6"])).nullish(),
      ports: z
        .array(z.object({ port: z.int().min(1).max(65535), protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish() }))
        .nullish(),
    })
    .nullish(),
  status: z
    .object({
      loadBalancer: z.object({ ingress: z.array(z.object({ ip: z.string().nullish() })).nullish() }).nullish(),
    })
    .nullish(),
});

/**
 * A Service (v1) as the API server sends it. Text that is no address, such as the `None` of a headless one, is left out. Throws
 * InvalidObjectError.
 */
export function parseService(json: unknown): Service {
  const { metadata, spec, status } = parseWith("Service", schema, json);
  const clusterIps = ipsOf(spec?.clusterIPs ?? [spec?.clusterIP]);
  const families = spec?.ipFamilies?.map((family) => (family === "IPv6" ? 6 : 4));
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type: spec?.type ?? "ClusterIP",
    clusterIps,
    externalIps: ipsOf(spec?.externalIPs ?? []),
    loadBalancerIps: ipsOf((status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)),
    requestedLoadBalancerIp: ipsOf([spec?.loadBalancerIP])[0],
    externalTrafficPolicy: spec?.externalTrafficPolicy ?? "Cluster",
    internalTrafficPolicy: spec?.internalTrafficPolicy ?? "Cluster",
    ipFamilies: families ?? [...new Set(clusterIps.map(versionOf))],
    healthCheckNodePort: spec?.healthCheckNodePort || undefined,
    ports: compactList(
      (spec?.ports ?? []).map(({ port, protocol }) => ({ protocol: protocolNumbers[protocol ?? "TCP"], port })),
    ),
  };
}

// --- internal ---

function ipsOf(texts: readonly (string | null | undefined)[]): readonly Ip[] {
  return compactList(texts.flatMap((text) => (text != null && isIp(text) ? [parseIp(text)] : [])));
}

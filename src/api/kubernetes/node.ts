import { z } from "zod";
import { type Cidr, parseCidr } from "../../net/cidr.ts";
import { isIp, parseIp } from "../../net/ip.ts";
import type { NodeName } from "../names.ts";
import type { Node } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const address = z.object({ type: z.string(), address: z.string() });
const condition = z.object({ type: z.string(), status: z.string(), reason: z.string().nullish() });

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z
    .object({
      podCIDR: z.string().nullish(),
      podCIDRs: z.array(z.string()).nullish(),
      unschedulable: z.boolean().nullish(),
    })
    .nullish(),
  status: z.object({ addresses: z.array(address).nullish(), conditions: z.array(condition).nullish() }).default({}),
});

/** A Node (v1) as the API server sends it. Throws InvalidObjectError. */
export function parseNode(json: unknown): Node {
  const { metadata, spec, status } = parseWith("Node", schema, json);
  const unavailable = (status.conditions ?? []).find(({ type }) => type === "NetworkUnavailable");
  // One that is no address is left out: the node's other ones count without it.
  const internal = (status.addresses ?? []).filter(({ type, address }) => type === "InternalIP" && isIp(address));
  return {
    name: metadata.name as NodeName,
    labels: metadata.labels,
    annotations: metadata.annotations,
    internalIps: internal.map(({ address }) => parseIp(address)),
    podCidrs: (spec?.podCIDRs ?? [spec?.podCIDR ?? ""]).flatMap(cidrOf),
    ...(spec?.unschedulable === true && { unschedulable: true }),
    ...(unavailable && { networkUnavailable: { status: unavailable.status, reason: unavailable.reason ?? "" } }),
  };
}

// --- internal ---

/** None for text that is no network: a Node's other facts count without it. */
function cidrOf(text: string): readonly Cidr[] {
  try {
    return [parseCidr(text)];
  } catch {
    return [];
  }
}

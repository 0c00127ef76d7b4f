import { z } from "zod";
import { isIp, parseIp } from "../../net/ip.ts";
import type { NodeName } from "../names.ts";
import type { Node } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const address = z
  .object({ type: z.string(), address: z.string() })
  .refine(({ type, address }) => type !== "InternalIP" || isIp(address), {
    path: ["address"],
    error: "an InternalIP must be an IPv4 or IPv6 address",
  });

const schema = z.object({
  metadata: objectMetaSchema,
  status: z.object({ addresses: z.array(address).nullish() }).default({}),
});

/** A Node (v1) as the API server sends it. Throws InvalidObjectError. */
export function parseNode(json: unknown): Node {
  const { metadata, status } = parseWith("Node", schema, json);
  const internal = (status.addresses ?? []).filter(({ type }) => type === "InternalIP");
  return {
    name: metadata.name as NodeName,
    labels: metadata.labels,
    annotations: metadata.annotations,
    internalIps: internal.map(({ address }) => parseIp(address)),
  };
}

import { z } from "zod";
import { isIp, parseIp } from "../../net/ip.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import type { EndpointSlice } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const port = z.object({
  port: z.int().min(1).max(65535).nullish(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish(),
});

const schema = z
  .object({
    metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
    addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
    endpoints: z.array(z.object({ addresses: z.array(z.string()) })).nullish(),
    ports: z.array(port).nullish(),
  })
  .check(({ value: { addressType, endpoints }, issues }) => {
    if (addressType === "FQDN") return;
    for (const [index, { addresses }] of (endpoints ?? []).entries()) {
      const place = addresses.findIndex((address) => !isIp(address));
      if (place < 0) continue;
      const path = ["endpoints", index, "addresses", place];
      issues.push({ code: "custom", input: addresses[place], path, message: "it must be an IPv4 or IPv6 address" });
    }
  });

/**
 * An EndpointSlice (discovery.k8s.io/v1) as the API server sends it. Endpoints that are not ready count as well, as
 * upstream: who may speak with a Service does not hang on its health. Throws InvalidObjectError.
 */
export function parseEndpointSlice(json: unknown): EndpointSlice {
  const { metadata, addressType, endpoints, ports } = parseWith("EndpointSlice", schema, json);
  const addresses = addressType === "FQDN" ? [] : (endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: metadata.labels["kubernetes.io/service-name"] || undefined,
    addresses: addresses.map(parseIp),
    ports: (ports ?? []).flatMap(({ port, protocol }) =>
      port == null ? [] : [{ protocol: protocolNumbers[protocol ?? "TCP"], port }],
    ),
  };
}

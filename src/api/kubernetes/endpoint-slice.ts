import { z } from "zod";
import { isIp, parseIp } from "../../net/ip.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import { compactList } from "../compact-list.ts";
import type { NodeName } from "../names.ts";
import type { EndpointSlice, SliceEndpoint } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const port = z.object({
  port: z.int().min(1).max(65535).nullish(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish(),
});

const endpoint = z.object({
  addresses: z.array(z.string()),
  nodeName: z.string().nullish(),
  conditions: z
    .object({ ready: z.boolean().nullish(), serving: z.boolean().nullish(), terminating: z.boolean().nullish() })
    .nullish(),
});

const schema = z
  .object({
    metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
    addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
    endpoints: z.array(endpoint).nullish(),
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
 * An EndpointSlice (discovery.k8s.io/v1) as the API server sends it. Among `addresses` are those of endpoints that are not
 * ready as well, as upstream: who may speak with a Service does not hang on its health. Throws InvalidObjectError.
 */
export function parseEndpointSlice(json: unknown): EndpointSlice {
  const { metadata, addressType, endpoints, ports } = parseWith("EndpointSlice", schema, json);
  const ofAddresses = addressType === "FQDN" ? [] : (endpoints ?? []).map(endpointOf);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: metadata.labels["kubernetes.io/service-name"] || undefined,
    addresses: compactList(ofAddresses.flatMap((endpoint) => endpoint.addresses)),
    endpoints: compactList(ofAddresses),
    ports: compactList(
      (ports ?? []).flatMap(({ port, protocol }) =>
        port == null ? [] : [{ protocol: protocolNumbers[protocol ?? "TCP"], port }],
      ),
    ),
  };
}

// --- internal ---

function endpointOf({ addresses, nodeName, conditions }: z.output<typeof endpoint>): SliceEndpoint {
  return {
    addresses: addresses.map(parseIp),
    node: nodeName ? (nodeName as NodeName) : undefined,
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
  };
}

import { z } from "zod";
import { type HostEndpoint, hostEndpointFields } from "./host-endpoint.ts";
import { objectMetaSchema } from "./resource.ts";

const { interfaceName, expectedIP, profile, port } = hostEndpointFields;

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z.object({
    node: z.string().min(1),
    interfaceName: interfaceName.catch(""),
    expectedIPs: readableOf(expectedIP),
    profiles: readableOf(profile),
    ports: readableOf(port),
  }),
});

/**
 * What stands for a host endpoint that cannot be read: everything of it that can. A profile that cannot be read allows
 * nothing. Were it absent, its interface would be open. Undefined when it names no node, or nothing by which an
 * interface could be told.
 */
export function restOfHostEndpoint(json: unknown): HostEndpoint | undefined {
  const { data } = schema.safeParse(json);
  if (data === undefined) return undefined;
  const { interfaceName, expectedIPs } = data.spec;
  return interfaceName === "" && expectedIPs.length === 0 ? undefined : data;
}

// --- internal ---

function readableOf<T>(item: z.ZodType<T>) {
  return z
    .array(item.optional().catch(undefined))
    .catch([])
    .transform((list) => list.filter((one): one is NonNullable<typeof one> => one !== undefined));
}

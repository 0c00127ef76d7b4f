import { z } from "zod";
import { cidrVersion } from "../net/cidr.ts";
import { bitsOf } from "../net/ip.ts";
import { looseCidrField } from "./fields.ts";
import type { IpPool } from "./ip-pool.ts";
import { objectMetaSchema } from "./resource.ts";

/** What a node still needs of a pool; a field that is not understood gets the value that lets the least through. */
const schema = z.object({
  metadata: objectMetaSchema,
  spec: z.object({
    cidr: looseCidrField(),
    natOutgoing: z.boolean().default(false).catch(false),
    disableBGPExport: z.boolean().default(false).catch(true),
  }),
});

/**
 * What stands for a pool that `parseIpPool` refuses: its network, so that what lies in it is still known for the
 * cluster's own, hidden from neighbours and masqueraded as far as the object says so; and nothing is given out from it.
 * Undefined when not even its network can be read: then no address is known to be the pool's.
 */
export function closedIpPool(json: unknown): IpPool | undefined {
  const { success, data } = schema.safeParse(json);
  if (!success) return undefined;
  const { metadata, spec } = data;
  return {
    metadata,
    isUnreadable: true,
    spec: {
      ...spec,
      blockSize: bitsOf(cidrVersion(spec.cidr)),
      disabled: true,
      ipipMode: "Never",
      vxlanMode: "Never",
      nodeSelector: "!all()",
      namespaceSelector: "",
      allowedUses: [],
      assignmentMode: "Manual",
    },
  };
}

import { z } from "zod";
import type { Cidr } from "../net/cidr.ts";
import { looseCidrField } from "./fields.ts";

const schema = z.object({
  spec: z.object({ cidr: looseCidrField(), deleted: z.literal(true).optional().catch(undefined) }),
});

/**
 * The network of a BlockAffinity or an IPAMBlock as the API server sends it, read as loosely as can be: "gone" when it is
 * marked as deleted, undefined when not even its network can be read.
 */
export function recordNetwork(json: unknown): Cidr | "gone" | undefined {
  const spec = schema.safeParse(json).data?.spec;
  return spec?.deleted === true ? "gone" : spec?.cidr;
}

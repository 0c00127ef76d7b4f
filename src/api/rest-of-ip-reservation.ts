import { z } from "zod";
import { looseCidrField } from "./fields.ts";
import type { IpReservation } from "./ip-reservation.ts";
import { objectMetaSchema } from "./resource.ts";

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z.object({ reservedCIDRs: z.array(looseCidrField().optional().catch(undefined)) }),
});

/**
 * What stands for a reservation that `parseIpReservation` refuses: every network in it that can be read, as an address
 * too many that is kept back is better than one too few. Undefined when not even its list can be read.
 */
export function restOfIpReservation(json: unknown): IpReservation | undefined {
  const { data } = schema.safeParse(json);
  if (data === undefined) return undefined;
  return {
    metadata: data.metadata,
    spec: { reservedCIDRs: data.spec.reservedCIDRs.filter((one) => one !== undefined) },
  };
}

import { z } from "zod";
import type { CustomKind } from "./custom-kind.ts";
import { networkField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const spec = z.object({
  reservedCIDRs: z
    .array(networkField())
    .max(1024)
    .default([])
    .meta({ "x-kubernetes-list-type": "set" })
    .describe(
      "Networks whose addresses are never given out by themselves, such as 192.168.0.0/30, or 192.168.2.17/32 for one " +
        "address; a pod that asks for one of them by address gets it. What is in use already stays in use.",
    ),
});

/** Addresses that are kept out of automatic assignment. */
type IpReservationSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked IPReservation. */
export type IpReservation = Resource<IpReservationSpec>;

/** What the IPReservation kind is: its schema and names. */
export const ipReservation: CustomKind<typeof spec> = {
  kind: "IPReservation",
  plural: "ipreservations",
  singular: "ipreservation",
  shortNames: [],
  aliases: ["reservation", "reservations"],
  description: "Networks whose addresses are not given to pods unless they ask for one of them by address.",
  spec,
  columns: [
    { name: "CIDRs", path: ".spec.reservedCIDRs", type: "string", description: "The reserved networks", wide: true },
  ],
  example: { reservedCIDRs: ["192.168.0.0/30", "192.168.2.17/32"] },
};

/** Throws InvalidObjectError. */
export function parseIpReservation(json: unknown): IpReservation {
  return parseObject(ipReservation, json);
}

import { z } from "zod";
import type { CustomKind } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const spec = z.object({
  handleID: z.string().describe("The owner, for example k8s-pod-network. and the container's ID."),
  block: z
    .record(z.string(), z.int().min(0))
    .default({})
    .describe("By block, the number of addresses that the owner holds in it."),
  deleted: z
    .boolean()
    .default(false)
    .describe("Set before the handle is deleted, so that a write in between conflicts."),
});

/** In which blocks one owner holds addresses, and how many in each. */
type IpamHandleSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked IPAMHandle. */
export type IpamHandle = Resource<IpamHandleSpec>;

/** What the IPAMHandle kind is: its schema and names. */
export const ipamHandle: CustomKind<typeof spec> = {
  kind: "IPAMHandle",
  plural: "ipamhandles",
  singular: "ipamhandle",
  shortNames: [],
  aliases: [],
  description:
    "In which blocks one owner holds addresses. An index of the blocks, written by address management; not to be edited.",
  spec,
  columns: [{ name: "ID", path: ".spec.handleID", type: "string", description: "The owner" }],
  example: { handleID: "k8s-pod-network.0123abcd", block: { "192.168.0.0/26": 1 } },
};

/** Throws InvalidObjectError. */
export function parseIpamHandle(json: unknown): IpamHandle {
  return parseObject(ipamHandle, json);
}

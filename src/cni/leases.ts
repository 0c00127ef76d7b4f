import { z } from "zod";
import type { NamespacedName } from "../api/names.ts";
import type { Host } from "../host/host.ts";
import type { mayLeadToNamespace } from "../host/network-namespaces.ts";
import type { AssignedAddress } from "../ipam/ipam.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseIp } from "../net/ip.ts";
import type { Report } from "./dependencies.ts";
import { InterfaceFiles } from "./interface-files.ts";

/** Addresses given to one interface of a container that another main plugin wires. */
export interface Lease {
  readonly network: string;
  readonly containerId: string;
  readonly interfaceName: string;
  /** Where the container's network namespace is mounted; undefined when that is not known for certain. */
  readonly netns: string | undefined;
  /** The pod that the runtime named, if it named one. */
  readonly pod: NamespacedName | undefined;
  /** Empty while they are sought: a crash then leaves a lease by which what was given is found. */
  readonly addresses: readonly AssignedAddress[];
}

/** What this node holds for the containers of other main plugins, as nothing else on the node is ours by which to know it. */
export class LeaseFiles extends InterfaceFiles<Lease> {
  constructor(host: Host, folder: string, report: Report) {
    super({ host, folder, report, what: "lease", parse: (json) => schema.parse(json) });
  }
}

/**
 * Whether the container may still be there: its network namespace is where the runtime mounted it, or where that is is not
 * known. Its interface is no sign, as another plugin may have moved it or its addresses anywhere.
 */
export function isHeld({ netns }: Lease, mayLead: typeof mayLeadToNamespace): boolean {
  return netns === undefined || mayLead(netns);
}

// --- internal ---

const schema = z.object({
  network: z.string(),
  containerId: z.string(),
  interfaceName: z.string(),
  // Absent in what an earlier release wrote.
  netns: z
    .string()
    .optional()
    .transform((path) => path as string | undefined),
  pod: z
    .string()
    .optional()
    .transform((name) => name as NamespacedName | undefined),
  addresses: z.array(
    z.object({
      ip: z.string().transform((ip) => parseIp(ip)),
      block: z.string().transform((block) => parseCidr(block)),
    }),
  ),
});

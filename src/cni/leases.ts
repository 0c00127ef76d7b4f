import { z } from "zod";
import type { NamespacedName } from "../api/names.ts";
import type { Host } from "../host/host.ts";
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

// --- internal ---

const schema = z.object({
  network: z.string(),
  containerId: z.string(),
  interfaceName: z.string(),
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

import { z } from "zod";
import { type NamespacedName, splitName } from "../api/names.ts";
import type { Attachment } from "../api/objects.ts";
import type { Host } from "../host/host.ts";
import { type mayLeadToNamespace, ownNetworkNamespace } from "../host/network-namespaces.ts";
import { parseIp } from "../net/ip.ts";
import {
  type ResultDns,
  type ResultIp,
  type ResultRoute,
  resultDnsSchema,
  resultIpSchema,
  resultRouteSchema,
} from "./cni-result.ts";
import type { Report } from "./dependencies.ts";
import { InterfaceFiles } from "./interface-files.ts";
import { vethName } from "./veth-name.ts";

/** An attachment as its file holds it, with the name of the network it belongs to (part of its IPAM handle). */
export interface StoredAttachment extends Attachment {
  readonly network: string;
  /** The other IPAM plugin that gave the addresses, and takes them back; undefined when they are this agent's IPAM's. */
  readonly ipam?: ExecutedIpam | undefined;
}

/** An IPAM plugin that was executed, with all that it takes to execute it once more when the runtime knows no more of it. */
export interface ExecutedIpam {
  /** The executable's name. */
  readonly type: string;
  /** The ADD's variables whose names begin with `CNI_`. */
  readonly environment: Readonly<Record<string, string>>;
  /** The network configuration that it was given, without what plugins before it had made. */
  readonly conf: string;
  /** Its answer. */
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: ResultDns;
}

/** What this node has wired: all that survives a restart of the agent. */
export class AttachmentFiles extends InterfaceFiles<StoredAttachment> {
  constructor(host: Host, folder: string, report: Report) {
    super({ host, folder, report, what: "attachment", parse: (json) => schema.parse(json) });
  }
}

/**
 * Whether something may be left of what was wired: the host's interface, among the `links` of the node by name, or the pod's
 * network namespace where the runtime mounted it. A node that starts anew has neither. Never false when that cannot be told.
 */
export function isWired(
  { hostInterface, netns }: Attachment,
  links: ReadonlySet<string>,
  mayLead: typeof mayLeadToNamespace,
): boolean {
  // No pod is wired in the node's own namespace: a path of a process leads there once its number is another's.
  return links.has(hostInterface) || mayLead(netns, ownNetworkNamespace());
}

/** Whether it is the pod's first interface, by whose addresses the cluster knows the pod. */
export function isPrimary({ hostInterface, pod }: Pick<Attachment, "hostInterface" | "pod">): boolean {
  return hostInterface === vethName(...splitName(pod));
}

// --- internal ---

const schema = z.object({
  network: z.string(),
  containerId: z.string(),
  interfaceName: z.string(),
  hostInterface: z.string(),
  netns: z.string(),
  pod: z.string().transform((name) => name as NamespacedName),
  // Absent in JSON when the runtime gave none; the field itself is always there.
  podUid: z
    .string()
    .optional()
    .transform((uid) => uid as string | undefined),
  addresses: z.array(z.string().transform((ip) => parseIp(ip))),
  mtu: z.number(),
  ipam: z
    .object({
      type: z.string(),
      environment: z.record(z.string(), z.string()),
      conf: z.string(),
      ips: z.array(resultIpSchema),
      routes: z.array(resultRouteSchema),
      dns: resultDnsSchema,
    })
    .optional(),
  // Absent in files of earlier agents, and where there is no such plugin.
  bandwidthPlugin: z.enum(["annotated", "always"]).optional(),
});

import { z } from "zod";
import type { NamespacedName } from "../api/names.ts";
import type { Attachment } from "../api/objects.ts";
import type { Host } from "../host/host.ts";
import { type mayLeadToNamespace, ownNetworkNamespace } from "../host/network-namespaces.ts";
import { parseIp } from "../net/ip.ts";
import type { Report } from "./dependencies.ts";
import { InterfaceFiles } from "./interface-files.ts";

/** An attachment as its file holds it, with the name of the network it belongs to (part of its IPAM handle). */
export interface StoredAttachment extends Attachment {
  readonly network: string;
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
});

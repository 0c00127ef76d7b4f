import type { AttachmentFiles } from "../../cni/attachments.ts";
import type { CniPaths } from "../../cni/dependencies.ts";
import type { Host } from "../../host/host.ts";
import { countByKind, type RejectedObject } from "../../kube/rejected-objects.ts";
import type { AgentCounts } from "./agent-metrics.ts";

/** What the CNI server has on this node's disk, and what of the API server's cannot be read or enforced. */
export interface CountedState {
  readonly host: Pick<Host, "listFolder">;
  readonly attachments: Pick<AttachmentFiles, "list">;
  readonly paths: Pick<CniPaths, "spool" | "journal">;
  readonly rejected: () => readonly RejectedObject[];
  /** How many policies are not enforced as written. */
  readonly closedPolicies: () => number;
}

/** Counts files, anew each time. */
export function agentCounts({ host, attachments, paths, rejected, closedPolicies }: CountedState): AgentCounts {
  // A leading dot is of a file that is being written.
  const files = async (folder: string) =>
    (await host.listFolder(folder)).filter((name) => !name.startsWith(".")).length;
  return {
    attachments: async () => (await attachments.list()).length,
    spooledRequests: () => files(paths.spool),
    owedReleases: () => files(paths.journal),
    rejectedObjects: () => countByKind(rejected()),
    closedPolicies: async () => closedPolicies(),
  };
}

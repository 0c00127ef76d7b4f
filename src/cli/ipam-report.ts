/** What `ipam check` finds, as a file that `ipam release --from-report` takes. The names are those of calicoctl's. */
import { z } from "zod";
import { cidrField, int64Field, ipField } from "../api/fields.ts";
import { parseJson } from "../kube/json.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { type CheckedAllocation, checkAllocations } from "./ipam-allocations.ts";
import type { ClusterState } from "./ipam-cluster-state.ts";
import { findProblems, orphanedHandles, type Problem } from "./ipam-problems.ts";

/** A handle's record that was found to name nothing. */
export interface LeakedHandle {
  readonly ID: string;
  readonly UID: string;
  readonly Revision: string;
}

/** All that was found, at one time, in one cluster. */
export interface CheckReport {
  readonly version: string;
  readonly clusterGUID: string;
  readonly clusterType: "kubernetes";
  readonly datastoreLocked: false;
  /** By address; one entry each. */
  readonly allocations: Readonly<Record<string, readonly CheckedAllocation[]>>;
  readonly leakedHandles: readonly LeakedHandle[];
  readonly problems: readonly Problem[];
}

/** Judges a cluster. */
export function reportOn(state: ClusterState): CheckReport {
  const allocations = checkAllocations(state);
  return {
    version: reportVersion,
    clusterGUID: state.clusterId,
    clusterType: "kubernetes",
    datastoreLocked: false,
    allocations: Object.fromEntries(allocations.map((one) => [one.ip, [one]])),
    leakedHandles: orphanedHandles(state).map(({ metadata, spec }) => {
      return { ID: spec.handleID, UID: metadata.uid ?? "", Revision: metadata.resourceVersion ?? "" };
    }),
    problems: findProblems(state, allocations),
  };
}

/** As much of a report as giving addresses back takes. */
export interface ReadReport {
  readonly clusterGUID: string;
  readonly allocations: readonly ReportedAllocation[];
  readonly leakedHandles: readonly LeakedHandle[];
}

/** An address in a report. */
export interface ReportedAllocation {
  readonly ip: Ip;
  readonly handle?: string | undefined;
  readonly sequenceNumber?: bigint | undefined;
  readonly inUse: boolean;
  readonly coolingDown: boolean;
}

/** The report of a file's text. Throws a sentence that names `place`. */
export function parseReport(text: string, place: string): ReadReport {
  const { version, ...report } = parseWithSentence(text, place);
  if (version !== reportVersion) {
    throw new Error(
      `Cannot use the report ${place}: it was written by another version (${version}). Make a new one with margay ipam check`,
    );
  }
  const allocations = Object.values(report.allocations).flat();
  return { ...report, allocations };
}

// --- internal ---

/** Changes when the meaning of a report does. */
const reportVersion = "margay/1";

const schema = z.object({
  version: z.string(),
  clusterGUID: z.string().min(1),
  allocations: z.record(
    z.string(),
    z.array(
      z.object({
        ip: ipField(),
        block: cidrField().optional(),
        handle: z.string().optional(),
        sequenceNumber: int64Field().optional(),
        inUse: z.boolean(),
        coolingDown: z.boolean().default(false),
      }),
    ),
  ),
  leakedHandles: z.array(z.object({ ID: z.string(), UID: z.string(), Revision: z.string() })).default([]),
});

function parseWithSentence(text: string, place: string): z.output<typeof schema> {
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    const [issue] = cause instanceof z.ZodError ? cause.issues : [];
    const why = issue === undefined ? messageOf(cause) : `${issue.path.join(".") || "it"}: ${issue.message}`;
    throw new Error(
      `Cannot read ${place} as a report of margay ipam check: ${why}. Make one with margay ipam check -o FILE`,
      { cause },
    );
  }
}

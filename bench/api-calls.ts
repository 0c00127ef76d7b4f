/** What the API server itself has counted of requests. Pure. */
import { customGroup } from "../src/api/custom-kinds.ts";

/** Requests of one verb for one resource that were answered with one status. */
export interface CallCount {
  readonly resource: string;
  /** As the metrics have it: GET, LIST, POST, PUT, PATCH, DELETE … */
  readonly verb: string;
  readonly status: number;
  readonly count: number;
}

/** The counts of `apiserver_request_total` in the text that `/metrics` answers: for Calico's kinds, or for every resource. */
export function parseCallCounts(metrics: string, kinds: "custom" | "all" = "custom"): readonly CallCount[] {
  const counts = new Map<string, CallCount>();
  for (const line of metrics.split("\n")) {
    const call = parseSample(line, kinds);
    if (call === undefined) continue;
    const key = keyOf(call);
    counts.set(key, { ...call, count: call.count + (counts.get(key)?.count ?? 0) });
  }
  return [...counts.values()];
}

/** What was counted between two readings. */
export function callsBetween(before: readonly CallCount[], after: readonly CallCount[]): readonly CallCount[] {
  const counted = new Map(before.map((call) => [keyOf(call), call.count]));
  const changes = after.map((call) => ({ ...call, count: call.count - (counted.get(keyOf(call)) ?? 0) }));
  return changes.filter(({ count }) => count > 0);
}

/** How many of the calls fit. */
export function countOf(calls: readonly CallCount[], fits: (call: CallCount) => boolean): number {
  return calls.filter(fits).reduce((sum, { count }) => sum + count, 0);
}

/** Whether a call changes something, or tried to. */
export function isWrite({ verb }: CallCount): boolean {
  return !["GET", "LIST", "WATCH"].includes(verb);
}

/** Whether a write was refused because another writer was first: a conflict, or a name that is there already. */
export function isLostRace(call: CallCount): boolean {
  return isWrite(call) && call.status === 409;
}

// --- internal ---

/** The metric has more labels than these, so several samples may have one key. */
function keyOf({ resource, verb, status }: CallCount): string {
  return `${resource} ${verb} ${status}`;
}

function parseSample(line: string, kinds: "custom" | "all"): CallCount | undefined {
  const [, labelText, value] = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line) ?? [];
  if (labelText === undefined) return undefined;
  const labels = new Map([...labelText.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, text]) => [name, text]));
  if (kinds === "custom" && labels.get("group") !== customGroup) return undefined;
  return {
    resource: labels.get("resource") ?? "",
    verb: labels.get("verb") ?? "",
    status: Number(labels.get("code")),
    count: Number(value),
  };
}

/** What becomes of addresses that look leaked, by what the API server and the nodes say of them now. */
import type { NamespacedName, NodeName } from "../../api/names.ts";
import type { AddressUse } from "../../api/node-query.ts";
import type { Pod } from "../../api/objects.ts";
import type { Ip } from "../../net/ip.ts";
import { silenceNeededMs } from "./agent-sightings.ts";
import { type Candidate, isOfNode, whyLeaked } from "./candidates.ts";

/** What was found out about candidates, past the watch cache. What is missing is not known, and keeps its addresses. */
export interface Evidence {
  /** What the API server holds now; undefined: it has no such pod. */
  readonly pods: ReadonlyMap<NamespacedName, Pod | undefined>;
  /** Whether the API server has the Node object now. */
  readonly nodeExists: ReadonlyMap<NodeName, boolean>;
  /** For how long a node's agent has given no sign of life. */
  readonly silentMs: ReadonlyMap<NodeName, number>;
  /** What those agents that answered say of the candidates of their own nodes. */
  readonly uses: ReadonlyMap<NodeName, readonly AddressUse[]>;
  /** What agents say of candidates of other nodes. Nothing hangs on who answered. */
  readonly elsewhere: ReadonlyMap<NodeName, readonly AddressUse[]>;
}

/** `alive`: something says that it is used. `unknown`: nobody could say. Both keep it. */
export interface Verdict {
  readonly candidate: Candidate;
  readonly outcome: "free" | "alive" | "unknown";
  /** A phrase: why it is free to go, or kept. */
  readonly because: string;
}

/** One verdict a candidate, in order. An address is free to go only when all of its handle are. */
export function judge(candidates: readonly Candidate[], evidence: Evidence, graceMs: number): readonly Verdict[] {
  const users = usersOf(evidence);
  const verdicts = candidates.map((candidate) => verdictOf(candidate, evidence, users, graceMs));
  const outcomes = outcomesByHandle(verdicts);
  return verdicts.map((one) => {
    const outcome = outcomes.get(one.candidate.handle);
    if (one.outcome !== "free" || outcome === undefined || outcome === "free") return one;
    return { ...one, outcome, because: "another address of its handle is kept" };
  });
}

// --- internal ---

/** Alive when one of the handle's addresses is, else unknown when one is. Those of no handle stand alone. */
function outcomesByHandle(verdicts: readonly Verdict[]): ReadonlyMap<string | undefined, Verdict["outcome"]> {
  const outcomes = new Map<string | undefined, Verdict["outcome"]>();
  for (const { candidate, outcome } of verdicts) {
    const before = outcomes.get(candidate.handle);
    if (candidate.handle === undefined || before === "alive") continue;
    if (before === undefined || outcome !== "free") outcomes.set(candidate.handle, outcome);
  }
  return outcomes;
}

interface User {
  readonly node: NodeName;
  readonly use: AddressUse;
}

function usersOf({ uses, elsewhere }: Evidence): ReadonlyMap<Ip, User> {
  return new Map(
    [...elsewhere, ...uses].flatMap(([node, found]) => found.map((use) => [use.ip, { node, use }] as const)),
  );
}

function verdictOf(candidate: Candidate, evidence: Evidence, users: ReadonlyMap<Ip, User>, graceMs: number): Verdict {
  const keep = (outcome: "alive" | "unknown", because: string): Verdict => ({ candidate, outcome, because });
  const { ip, node, pod } = candidate;
  const user = users.get(ip);
  if (user !== undefined) return keep("alive", `in use on node ${user.node}: ${user.use.kind} ${user.use.interface}`);
  const exists = evidence.nodeExists.get(node);
  if (exists === undefined) return keep("unknown", `the API server did not say whether there is a Node ${node}`);
  if (!isOfNode(candidate) && (pod === undefined || !evidence.pods.has(pod))) {
    return keep("unknown", `the API server did not say whether there is a pod ${pod}`);
  }
  const reason = whyLeaked(candidate, pod === undefined ? undefined : evidence.pods.get(pod), exists);
  if (reason === undefined) return keep("alive", "rightly held, as the API server says now");
  if (exists && !evidence.uses.has(node)) return keep("unknown", `no answer from the agent of node ${node}`);
  if (!exists && (evidence.silentMs.get(node) ?? 0) < silenceNeededMs(graceMs)) {
    return keep("unknown", `node ${node} is gone, but its agent has not been silent for long enough`);
  }
  return { candidate, outcome: "free", because: reason };
}

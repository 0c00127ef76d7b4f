import { leaseKind, nodeKind, resourcePath } from "../../api/kinds.ts";
import { parseLease } from "../../api/kubernetes/lease.ts";
import { parseNode } from "../../api/kubernetes/node.ts";
import { type NamespacedName, type NodeName, systemNamespace } from "../../api/names.ts";
import { type AddressUse, agentLeaseName } from "../../api/node-query.ts";
import type { Pod } from "../../api/objects.ts";
import { readIfThere } from "../../kube/read-if-there.ts";
import { readPod } from "../../kube/read-pod.ts";
import type { ControllerParts } from "../controller.ts";
import { inParallel } from "../in-parallel.ts";
import { type Sightings, sightAgain, silentMs } from "./agent-sightings.ts";
import type { Candidate } from "./candidates.ts";
import { addressesToAsk, type Evidence } from "./verdicts.ts";

/** Where evidence is looked for. */
export type EvidenceParts = Pick<ControllerParts, "client" | "snapshot" | "agents" | "clock" | "logger">;

/** What was found, and the sightings with the newest looks among them. */
export interface Findings {
  readonly evidence: Evidence;
  readonly sightings: Sightings;
}

/**
 * Asks the API server, past every cache, and every agent that there is, about the candidates. Whoever does not answer is
 * left out of the evidence. Rejects only when `signal` is aborted.
 */
export async function gatherEvidence(
  candidates: readonly Candidate[],
  known: Sightings,
  parts: EvidenceParts,
  signal: AbortSignal,
): Promise<Findings> {
  const nodes = new Set(candidates.map(({ node }) => node));
  const [pods, presence] = await Promise.all([
    readPods(candidates, parts, signal),
    lookAtNodes(nodes, known, parts, signal),
  ]);
  const there = [...presence.nodeExists].flatMap(([node, exists]) => (exists ? [node] : []));
  const uses = candidates.length === 0 ? new Map() : await askAgents(candidates, there, parts, signal);
  signal.throwIfAborted();
  return { evidence: { pods, uses, ...presence }, sightings: presence.sightings };
}

/** Whether these nodes are there, and for how long the agents of those that are not have been silent, as of now. */
export async function lookAtNodes(
  nodes: Iterable<NodeName>,
  known: Sightings,
  { client, clock, logger }: Pick<EvidenceParts, "client" | "clock" | "logger">,
  signal: AbortSignal,
): Promise<Pick<Evidence, "nodeExists" | "silentMs"> & { readonly sightings: Sightings }> {
  const nodeExists = new Map<NodeName, boolean>();
  const silent = new Map<NodeName, number>();
  let sightings = known;
  const get = <T>(path: string, parse: (json: unknown) => T) =>
    readIfThere(client, path, { signal, timeoutMs: answerMs }).then((json) =>
      json === undefined ? undefined : parse(json),
    );
  await inParallel(nodes, parallel, async (node) => {
    try {
      const exists = (await get(resourcePath(nodeKind, { name: node }), parseNode)) !== undefined;
      const leasePath = resourcePath(leaseKind, { namespace: systemNamespace, name: agentLeaseName(node) });
      const lease = exists ? undefined : await get(leasePath, parseLease);
      const now = clock.monotonicNow();
      sightings = sightAgain(sightings, node, { lease, exists }, now);
      nodeExists.set(node, exists);
      silent.set(node, silentMs(sightings, node, now));
    } catch (error) {
      logger.warn({ node, err: error }, "cannot see whether a node is there: its addresses are kept");
    }
  });
  return { nodeExists, silentMs: silent, sightings };
}

// --- internal ---

const parallel = 16;
const answerMs = 10_000;
/** An agent's answer for so many addresses stays small. */
const addressesPerQuestion = 10_000;

async function readPods(
  candidates: readonly Candidate[],
  { client, logger }: EvidenceParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<NamespacedName, Pod | undefined>> {
  const pods = new Map<NamespacedName, Pod | undefined>();
  const names = new Set(candidates.flatMap(({ pod }) => pod ?? []));
  await inParallel(names, parallel, async (name) => {
    try {
      pods.set(name, await readPod(client, name, signal));
    } catch (error) {
      logger.warn({ pod: name, err: error }, "cannot see whether a pod is there: its addresses are kept");
    }
  });
  return pods;
}

async function askAgents(
  candidates: readonly Candidate[],
  needed: readonly NodeName[],
  { agents, snapshot, logger }: EvidenceParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<NodeName, readonly AddressUse[]>> {
  const ips = addressesToAsk(candidates);
  const answers = new Map<NodeName, readonly AddressUse[]>();
  const isNeeded = new Set(needed);
  await inParallel(new Set([...needed, ...nodesWithLease(snapshot)]), parallel, async (node) => {
    try {
      const found: AddressUse[] = [];
      for (let from = 0; from < ips.length; from += addressesPerQuestion) {
        const some = ips.slice(from, from + addressesPerQuestion);
        found.push(
          ...(await agents.addressesInUse(node, some, AbortSignal.any([signal, AbortSignal.timeout(answerMs)]))),
        );
      }
      answers.set(node, found);
    } catch (error) {
      const level = isNeeded.has(node) ? "warn" : "debug";
      logger[level]({ node, err: error }, "no answer from a node's agent: what was given out there is kept");
    }
  });
  return answers;
}

function nodesWithLease({ lease }: EvidenceParts["snapshot"]): readonly NodeName[] {
  const prefix = agentLeaseName("" as NodeName);
  return [...lease.values()].flatMap(({ name }) =>
    name.startsWith(prefix) && name.length > prefix.length ? [name.slice(prefix.length) as NodeName] : [],
  );
}

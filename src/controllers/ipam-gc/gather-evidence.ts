import { leaseKind, nodeKind, resourcePath } from "../../api/kinds.ts";
import { parseLease } from "../../api/kubernetes/lease.ts";
import { parseNode } from "../../api/kubernetes/node.ts";
import { type NodeName, systemNamespace } from "../../api/names.ts";
import { type AddressUse, agentLeaseName, maxAddressesAsked } from "../../api/node-query.ts";
import { readIfThere } from "../../kube/read-if-there.ts";
import { inParallel } from "../../net/in-parallel.ts";
import type { ControllerParts } from "../controller.ts";
import { type Sightings, sightAgain, silentMs } from "./agent-sightings.ts";
import type { Candidate } from "./candidates.ts";
import { readPods } from "./read-pods.ts";
import type { Evidence } from "./verdicts.ts";

/** Where evidence is looked for. */
export type EvidenceParts = Pick<ControllerParts, "client" | "snapshot" | "agents" | "clock" | "logger">;

/** What was found, and the sightings with the newest looks among them. */
export interface Findings {
  readonly evidence: Evidence;
  readonly sightings: Sightings;
}

/**
 * Asks the API server, past every cache, about the candidates, and each node's agent about those of its node. Whoever does
 * not answer is left out of the evidence. Rejects only when `signal` is aborted.
 */
export async function gatherEvidence(
  candidates: readonly Candidate[],
  known: Sightings,
  parts: EvidenceParts,
  signal: AbortSignal,
): Promise<Findings> {
  const byNode = Map.groupBy(candidates, ({ node }) => node);
  const [pods, { sightings, ...presence }] = await Promise.all([
    readPods(new Set(candidates.flatMap(({ pod }) => pod ?? [])), parts, signal),
    lookAtNodes(byNode.keys(), known, parts, signal),
  ]);
  const withLease = nodesWithLease(parts.snapshot);
  const exists = (node: NodeName) => presence.nodeExists.get(node) === true;
  const questions = [...byNode].filter(([node]) => exists(node) || withLease.has(node));
  const uses = await askAgents(new Map(questions), (node) => (exists(node) ? "warn" : "debug"), parts, signal);
  signal.throwIfAborted();
  return { evidence: { pods, uses, elsewhere: new Map(), ...presence }, sightings };
}

/**
 * The evidence with what all other nodes' agents say of the candidates: an address may live where nobody expects it. It is
 * work for every node, so it is for what would be freed otherwise. Rejects only when `signal` is aborted.
 */
export async function askElsewhere(
  candidates: readonly Candidate[],
  evidence: Evidence,
  parts: EvidenceParts,
  signal: AbortSignal,
): Promise<Evidence> {
  const questions = [...nodesWithLease(parts.snapshot)].map(
    (node) => [node, candidates.filter((one) => one.node !== node)] as const,
  );
  const elsewhere = await askAgents(new Map(questions), () => "debug", parts, signal);
  signal.throwIfAborted();
  return { ...evidence, elsewhere };
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

async function askAgents(
  questions: ReadonlyMap<NodeName, readonly Candidate[]>,
  levelOf: (node: NodeName) => "warn" | "debug",
  { agents, logger }: EvidenceParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<NodeName, readonly AddressUse[]>> {
  const answers = new Map<NodeName, readonly AddressUse[]>();
  await inParallel(questions, parallel, async ([node, candidates]) => {
    const ips = [...new Set(candidates.map(({ ip }) => ip))];
    try {
      const found: AddressUse[] = [];
      for (let from = 0; from < ips.length; from += maxAddressesAsked) {
        const some = ips.slice(from, from + maxAddressesAsked);
        const patience = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
        found.push(...(await agents.addressesInUse(node, some, patience)));
      }
      answers.set(node, found);
    } catch (error) {
      logger[levelOf(node)]({ node, err: error }, "no answer from a node's agent: what was given out there is kept");
    }
  });
  return answers;
}

function nodesWithLease({ lease }: EvidenceParts["snapshot"]): ReadonlySet<NodeName> {
  const prefix = agentLeaseName("" as NodeName);
  return new Set(
    lease
      .values()
      .flatMap(({ name }) =>
        name.startsWith(prefix) && name.length > prefix.length ? [name.slice(prefix.length) as NodeName] : [],
      ),
  );
}

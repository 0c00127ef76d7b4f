/** Finds out whether addresses are used: at the API server, and at the nodes themselves. */
import { ZodError } from "zod";
import { InvalidObjectError } from "../api/invalid-object-error.ts";
import { podKind, resourcePath } from "../api/kinds.ts";
import { parsePod } from "../api/kubernetes/pod.ts";
import { type NamespacedName, namespacedName, splitName } from "../api/names.ts";
import { type AddressUse, parseAddressAnswer } from "../api/node-query.ts";
import type { Pod } from "../api/objects.ts";
import { systemClock } from "../host/clock.ts";
import type { Allocation } from "../ipam/block.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import { readIfThere } from "../kube/read-if-there.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { reasonToKeep } from "./ipam-release-plan.ts";

/** An address, and why it must be kept; undefined when nothing uses it. */
export interface Finding {
  readonly allocation: Allocation;
  readonly keep: string | undefined;
}

/** Each node is asked once, about all of `allocations` that are its. Rejects when the API server does not answer. */
export async function findUses(client: KubeClient, allocations: readonly Allocation[]): Promise<readonly Finding[]> {
  const byNode = Map.groupBy(allocations, ({ attribute }) => attribute.secondary?.["node"]);
  const findings: Finding[] = [];
  for (const [node, own] of byNode) {
    const pods = new Map<NamespacedName, Pod | undefined | InvalidObjectError>();
    for (const key of new Set(own.flatMap((one) => podKeyOf(one) ?? []))) pods.set(key, await readPod(client, key));
    const ips = own.map(({ ip }) => ip);
    const uses = node === undefined ? [] : await askNode(client, node, ips);
    findings.push(...own.map((allocation) => findingOf(allocation, { node, uses, pods })));
  }
  return findings;
}

// --- internal ---

/** query.margay.io/v1 NodeAddresses, not checked yet. */
interface NodeAddresses {
  readonly metadata?: { readonly name?: unknown };
  readonly addresses?: unknown;
}

interface Found {
  readonly node: string | undefined;
  readonly uses: readonly AddressUse[] | Error;
  readonly pods: ReadonlyMap<NamespacedName, Pod | undefined | InvalidObjectError>;
}

function findingOf(allocation: Allocation, { node, uses, pods }: Found): Finding {
  const key = podKeyOf(allocation);
  const pod = key === undefined ? undefined : pods.get(key);
  if (pod instanceof InvalidObjectError) return { allocation, keep: pod.message };
  const evidence = { node, uses, nowMs: systemClock.now(), ...(key === undefined ? {} : { pod: { key, found: pod } }) };
  return { allocation, keep: reasonToKeep(allocation, evidence) };
}

function podKeyOf({ attribute }: Allocation): NamespacedName | undefined {
  const { namespace, pod } = (attribute.secondary ?? {}) as { readonly namespace?: string; readonly pod?: string };
  return namespace && pod ? namespacedName(namespace, pod) : undefined;
}

async function readPod(client: KubeClient, key: NamespacedName): Promise<Pod | undefined | InvalidObjectError> {
  const [namespace, name] = splitName(key);
  const json = await readIfThere(client, resourcePath(podKind, { namespace, name }));
  try {
    return json === undefined ? undefined : parsePod(json);
  } catch (error) {
    if (error instanceof InvalidObjectError) return error;
    throw error;
  }
}

/** Asked about one address, or about all that it has, which are what it uses at any time. */
async function askNode(client: KubeClient, node: string, ips: readonly Ip[]): Promise<readonly AddressUse[] | Error> {
  const path = `/apis/query.margay.io/v1/nodeaddresses/${encodeURIComponent(node)}`;
  const [ip] = ips;
  try {
    const { metadata, addresses } = await client.request<NodeAddresses>(
      "GET",
      path,
      ips.length === 1 ? { query: { ip } } : {},
    );
    const answer = parseAddressAnswer({ node: metadata?.name, uses: addresses });
    return answer.node === node ? answer.uses : new Error(`node ${answer.node} answered`);
  } catch (error) {
    return new Error(`${whyOf(error)}. ${remedyOf(error, node)}`, { cause: error });
  }
}

function whyOf(error: unknown): string {
  if (!(error instanceof ZodError)) return messageOf(error);
  const [issue] = error.issues;
  return `Cannot read its answer: ${issue?.path.join(".")}: ${issue?.message}`;
}

function remedyOf(error: unknown, node: string): string {
  const status = error instanceof KubeError ? error.status : undefined;
  if (status === 403) return "Ask for the right to get nodeaddresses of query.margay.io";
  if (status === 404) return "The cluster serves no query API, or knows no such node: see that margay controllers run";
  return `See that margay controllers and the agent of node ${node} run, and try again`;
}

import { ZodError } from "zod";
import { type BgpAnswer, parseBgpAnswer } from "../api/bgp-query.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";

/** What is wanted beside the sessions: one neighbour only, and so many of the last entries of the history. */
export interface NodeBgpWish {
  readonly peer?: Ip;
  readonly history?: number;
}

/** A node's BGP, from its agent by the query API. Rejects with a sentence that says why there is no answer, and what to do. */
export async function askNodeBgp(
  client: Pick<KubeClient, "request">,
  node: string,
  { peer, history }: NodeBgpWish = {},
): Promise<BgpAnswer> {
  const path = `/apis/query.margay.io/v1/nodebgp/${encodeURIComponent(node)}`;
  try {
    const answer = await client.request<object>("GET", path, { query: { peer, history } });
    const { metadata, ...fields } = answer as { readonly metadata?: { readonly name?: unknown } };
    return parseBgpAnswer({ ...fields, node: metadata?.name });
  } catch (cause) {
    throw new Error(`Cannot see the BGP of node ${node}: ${whyOf(cause)}. ${remedyOf(cause, node)}`, { cause });
  }
}

// --- internal ---

/** The query API says this of a node, and the API server something else of an API that nobody has installed. */
const noSuchNode = "there is no such node";

function whyOf(error: unknown): string {
  if (!(error instanceof ZodError)) return messageOf(error);
  const [issue] = error.issues;
  return `its answer cannot be read: ${issue?.path.join(".")}: ${issue?.message}`;
}

function remedyOf(error: unknown, node: string): string {
  const status = error instanceof KubeError ? error.status : undefined;
  if (status === 403)
    return "Ask for the right to get nodebgp of query.margay.io: ClusterRole margay-query-reader has it";
  if (status === 404 && messageOf(error).includes(noSuchNode)) return "kubectl get nodes lists them";
  if (status === 404)
    return "The cluster serves no query API: apply manifests/query-api.yaml and run margay controllers";
  if (error instanceof ZodError) return "See that the command and the node's agent are of one release";
  return `See that margay controllers and the agent of node ${node} run; on the node itself, margay node status needs neither`;
}

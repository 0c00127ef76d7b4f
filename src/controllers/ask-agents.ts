import { type BgpProbeQuestion, type BgpSide, bgpProbePath, parseBgpSide } from "../api/bgp-probe.ts";
import { type BgpAnswer, type BgpQuery, bgpPath, parseBgpAnswer } from "../api/bgp-query.ts";
import { type NodeName, namespacedName, systemNamespace } from "../api/names.ts";
import {
  type AddressUse,
  addressesPath,
  agentAnnotations,
  agentLeaseName,
  agentServerName,
  type PoliciesAnswer,
  parseAddressAnswer,
  parsePoliciesAnswer,
  policiesPath,
} from "../api/node-query.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { AgentToken } from "./agent-token.ts";
import type { Agents } from "./agents.ts";
import { postPinned } from "./post-pinned.ts";

/** What is known of the agents, and by which right they are asked. */
export interface AskAgentsParts {
  readonly client: KubeClient;
  /** Of it: the Nodes, and the Leases of `systemNamespace`. */
  readonly snapshot: Pick<Snapshot, "lease" | "node">;
  readonly clock: Clock;
}

/**
 * Asks agents over TLS where their Leases say. Only the certificate that the agent itself has published is trusted; while
 * the Node exists only an InternalIP of it is asked; and only an answer for that node counts.
 */
export class AskAgents implements Agents {
  readonly #snapshot: AskAgentsParts["snapshot"];
  readonly #token: AgentToken;

  constructor({ client, snapshot, clock }: AskAgentsParts) {
    this.#snapshot = snapshot;
    this.#token = new AgentToken(client, clock);
  }

  async addressesInUse(
    node: NodeName,
    ips: readonly Ip[] | undefined,
    signal?: AbortSignal,
  ): Promise<readonly AddressUse[]> {
    const question = { path: addressesPath, body: JSON.stringify({ ips }), parse: parseAddressAnswer };
    return (await this.#ask(node, question, signal)).uses;
  }

  policiesInForce(node: NodeName, signal?: AbortSignal): Promise<PoliciesAnswer> {
    return this.#ask(node, { path: policiesPath, body: "{}", parse: parsePoliciesAnswer }, signal);
  }

  bgp(node: NodeName, query: BgpQuery, signal?: AbortSignal): Promise<BgpAnswer> {
    return this.#ask(node, { path: bgpPath, body: JSON.stringify(query), parse: parseBgpAnswer }, signal);
  }

  probeBgp(node: NodeName, question: BgpProbeQuestion, signal?: AbortSignal): Promise<BgpSide> {
    return this.#ask(node, { path: bgpProbePath, body: JSON.stringify(question), parse: parseBgpSide }, signal);
  }

  async #ask<Answer extends { readonly node: NodeName }>(
    node: NodeName,
    { path, body, parse }: Question<Answer>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    try {
      const { endpoint, certificate } = this.#publishedBy(node);
      const text = await this.#post({ endpoint, certificate, path, body, signal });
      const answer = parse(JSON.parse(text));
      if (answer.node !== node) throw new Error(`the agent at ${endpoint.host} answers for node ${answer.node}`);
      return answer;
    } catch (cause) {
      if (signal?.aborted === true) throw signal.reason;
      throw new Error(`Cannot ask the agent of node ${node}: ${messageOf(cause)}`, { cause });
    }
  }

  #publishedBy(node: NodeName): Published {
    const name = agentLeaseName(node);
    const lease = this.#snapshot.lease.get(namespacedName(systemNamespace, name));
    if (lease === undefined) throw new Error(`it has no Lease ${systemNamespace}/${name}, so none has run there`);
    const { [agentAnnotations.endpoint]: url, [agentAnnotations.certificate]: certificate } = lease.annotations;
    if (url === undefined || certificate === undefined) {
      throw new Error(`its Lease ${systemNamespace}/${name} names no endpoint yet; its log says why`);
    }
    const { endpoint, ip } = endpointOf(url);
    const internalIps = this.#snapshot.node.get(node)?.internalIps;
    if (internalIps !== undefined && !internalIps.includes(ip)) {
      throw new Error(`it names ${ip} in its Lease, which is no InternalIP of the Node (${internalIps.join(", ")})`);
    }
    return { endpoint, certificate };
  }

  async #post({ endpoint, certificate, path, body, signal }: Published & Asked): Promise<string> {
    const url = new URL(path, endpoint);
    for (let refused: string | undefined; ; ) {
      const token = await this.#token.get(refused);
      const { status, text } = await postPinned(url, {
        ...{ certificate, token, body, signal, timeoutMs, limitBytes },
        serverName: agentServerName,
      });
      if (status === 200) return text;
      // A token ends early when its ServiceAccount or the signing key is made anew.
      if (status !== 401 || refused !== undefined) throw new Error(`it answered ${status}: ${text.slice(0, 300)}`);
      refused = token;
    }
  }
}

// --- internal ---

const timeoutMs = 10_000;
const limitBytes = 32 * 1024 * 1024;

interface Published {
  readonly endpoint: URL;
  readonly certificate: string;
}

interface Question<Answer> {
  readonly path: string;
  readonly body: string;
  /** Throws when it is no such answer. */
  readonly parse: (json: unknown) => Answer;
}

interface Asked {
  readonly path: string;
  readonly body: string;
  readonly signal: AbortSignal | undefined;
}

/** Reads `https://ADDRESS:PORT`, nothing else: an annotation must not lead elsewhere. */
function endpointOf(text: string): { readonly endpoint: URL; readonly ip: Ip } {
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  const host = endpoint?.hostname.replace(/^\[(.*)\]$/, "$1") ?? "";
  if (endpoint === undefined || endpoint.protocol !== "https:" || !isIp(host) || endpoint.origin !== text) {
    throw new Error(`its Lease names the endpoint ${JSON.stringify(text)}, which is not https://ADDRESS:PORT`);
  }
  return { endpoint, ip: parseIp(host) };
}

import { closedIpPool } from "../../api/closed-ip-pool.ts";
import { type Condition, conditionsOf } from "../../api/condition.ts";
import { InvalidObjectError } from "../../api/invalid-object-error.ts";
import { type IpPool, parseIpPool } from "../../api/ip-pool.ts";
import { recordNetwork } from "../../api/ipam-record.ts";
import { apiVersionOf, blockAffinityKind, ipamBlockKind, ipPoolKind, resourcePath } from "../../api/kinds.ts";
import type { KubeClient } from "../../kube/client.ts";
import { listAll } from "../../kube/list-all.ts";
import type { Cidr } from "../../net/cidr.ts";

/** A pool as the API server has it now. */
export interface PoolObject {
  readonly pool: IpPool;
  readonly conditions: readonly Condition[];
  /** What is wrong with it, where `pool` stands for one that cannot be read. */
  readonly fault: string | undefined;
}

/** Pools and what lies in them, past the watch cache. Each call rejects as the client does. */
export class PoolObjects {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Without those whose network cannot be read: nobody can tell what lies in them, and nothing is given from them. */
  async list(signal: AbortSignal): Promise<readonly PoolObject[]> {
    const listed = await listAll<unknown>(this.#client, resourcePath(ipPoolKind), { signal });
    return listed.flatMap((json) => {
      const found = readPool(json);
      return found.pool === undefined ? [] : [{ ...found, pool: found.pool, conditions: conditionsOf(json) }];
    });
  }

  /** Whether there is a block or a claim of which `goes` is true, or one whose network cannot be read: it may be. */
  async hasRecords(goes: (network: Cidr) => boolean, signal: AbortSignal): Promise<boolean> {
    const kinds = [ipamBlockKind, blockAffinityKind];
    const lists = await Promise.all(kinds.map((kind) => listAll(this.#client, resourcePath(kind), { signal })));
    return lists.flat().some((json) => {
      const network = recordNetwork(json);
      return network === undefined || (network !== "gone" && goes(network));
    });
  }

  /** Rejects with a conflict when the pool was changed since it was read. */
  async setFinalizers({ metadata }: IpPool, finalizers: readonly string[], signal: AbortSignal): Promise<void> {
    const { name, uid, resourceVersion } = metadata;
    const body = { metadata: { uid, resourceVersion, finalizers } };
    await this.#client.patch(resourcePath(ipPoolKind, { name }), body, { type: "merge", signal });
  }

  /** By server-side apply: what was set before and is not among them goes, what others have set stays. */
  async setConditions({ metadata }: IpPool, conditions: readonly Condition[], signal: AbortSignal): Promise<void> {
    const { name, uid } = metadata;
    const head = { apiVersion: apiVersionOf(ipPoolKind), kind: ipPoolKind.kind, metadata: { name, uid } };
    const path = `${resourcePath(ipPoolKind, { name })}/status`;
    const query = { fieldManager: "margay-ip-pool", force: true };
    await this.#client.patch(path, { ...head, status: { conditions } }, { type: "apply", query, signal });
  }
}

// --- internal ---

function readPool(json: unknown): { readonly pool: IpPool | undefined; readonly fault: string | undefined } {
  try {
    return { pool: parseIpPool(json), fault: undefined };
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    return { pool: closedIpPool(json), fault: error.message };
  }
}

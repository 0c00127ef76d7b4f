import type { IpPool } from "../api/ip-pool.ts";
import type { NodeName } from "../api/names.ts";
import type { Labels } from "../api/objects.ts";
import type { IpVersion } from "../net/ip.ts";
import type { AssignRequest } from "./ipam.ts";
import { choosePools, type PoolChoice } from "./pools.ts";
import type { IpamStore } from "./store.ts";

/** The node that addresses are wanted on, and the pools there are. */
export interface NodeContext {
  readonly node: NodeName;
  readonly nodeLabels: Labels;
  readonly pools: readonly IpPool[];
}

/** For each family, which pools may serve and why the others may not. */
export type PoolChoices = Readonly<Record<IpVersion, PoolChoice>>;

/** A node that is not there has no labels. Rejects as the store does. */
export async function readNodeContext(store: IpamStore, node: NodeName): Promise<NodeContext> {
  const [pools, found] = await Promise.all([store.pools(), store.node(node)]);
  return { node, nodeLabels: found?.labels ?? {}, pools };
}

/** The pools of each family that may serve a request. */
export function choicesOf(request: AssignRequest, { pools, nodeLabels }: NodeContext): PoolChoices {
  const query = { nodeLabels, namespaceLabels: request.namespaceLabels };
  const choiceOf = (version: IpVersion) =>
    choosePools(pools, { ...query, version, requested: request.pools?.[version] });
  return { 4: choiceOf(4), 6: choiceOf(6) };
}

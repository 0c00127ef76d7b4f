import type { IpPool } from "../api/ip-pool.ts";
import type { NodeName } from "../api/names.ts";
import type { Labels } from "../api/objects.ts";
import type { IpVersion } from "../net/ip.ts";
import type { AssignRequest } from "./ipam.ts";
import { type Limits, readLimits } from "./limits.ts";
import { choosePools, type PoolChoice } from "./pools.ts";
import { Reservations } from "./reservations.ts";
import type { IpamStore } from "./store.ts";

/** What one round of work goes by: the node that addresses are wanted on, and what the cluster says. */
export interface NodeContext {
  readonly node: NodeName;
  readonly nodeLabels: Labels;
  readonly pools: readonly IpPool[];
  readonly reservations: Reservations;
  readonly limits: Limits;
  /** Since 1970. */
  readonly nowMs: number;
}

/** For each family, which pools may serve and why the others may not. */
export type PoolChoices = Readonly<Record<IpVersion, PoolChoice>>;

/** What is known when nothing has to be given, only taken back. Rejects as the store does. */
export async function readReleaseContext(store: IpamStore, node: NodeName, nowMs: number): Promise<NodeContext> {
  const limits = await readLimits(store);
  return { node, nodeLabels: {}, pools: [], reservations: new Reservations([]), limits, nowMs };
}

/** A node that is not there has no labels. `known` is used again while it holds. Rejects as the store does. */
export async function readNodeContext(
  store: IpamStore,
  node: NodeName,
  { nowMs, known }: { readonly nowMs: number; readonly known: Reservations | undefined },
): Promise<NodeContext> {
  const [pools, found, listed, limits] = await Promise.all([
    store.pools(),
    store.node(node),
    store.reservations(),
    readLimits(store),
  ]);
  const reservations = known?.isOf(listed) ? known : new Reservations(listed);
  return { node, nodeLabels: found?.labels ?? {}, pools, reservations, limits, nowMs };
}

/** The context as it is for one request: what its holder cannot use is reserved too. */
export function contextFor({ isUnfit }: AssignRequest, context: NodeContext): NodeContext {
  return isUnfit === undefined ? context : { ...context, reservations: context.reservations.besides(isUnfit) };
}

/** The pools of each family that may serve a request. */
export function choicesOf(request: AssignRequest, { pools, nodeLabels }: NodeContext): PoolChoices {
  const query = { nodeLabels, namespaceLabels: request.namespaceLabels };
  const choiceOf = (version: IpVersion) =>
    choosePools(pools, { ...query, version, requested: request.pools?.[version] });
  return { 4: choiceOf(4), 6: choiceOf(6) };
}

/**
 * The steps of a split. The old pool serves until its parts are all there, so that at no moment an address in use lies
 * in no pool (its block would be withdrawn from BGP), and none is freed or moved: blocks do not know their pool.
 *
 *     mark the old pool ─▶ create the parts ─▶ look at all again ─▶ delete the old pool
 *
 * While both are there the parts give no addresses, as they are younger than what they overlap. A crash leaves the old
 * pool serving, or the parts; the same call again goes on from there.
 */
import { apiVersionOf, ipPoolKind, resourcePath } from "../api/kinds.ts";
import { systemClock } from "../host/clock.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import { listAll } from "../kube/list-all.ts";
import { readIfThere } from "../kube/read-if-there.ts";
import type { Cidr } from "../net/cidr.ts";
import type { IpamParts } from "./ipam-command.ts";
import {
  changedFields,
  childrenOfFormer,
  isChildOf,
  type PoolJson,
  planSplit,
  poolJsonText,
  splitAnnotation,
  splitObjections,
} from "./ipam-split-plan.ts";

/** Which pool to split, into how many. */
export interface SplitRequest {
  readonly parts: number;
  readonly name: string | undefined;
  readonly cidr: Cidr | undefined;
}

/** What `ipam split -o json` prints. */
export interface Split {
  readonly pool: string;
  readonly parts: number;
  readonly children: readonly { readonly name: string; readonly cidr: string }[];
  readonly result: "split" | "already split";
}

/** Splits a pool, or finishes splitting it. Throws a sentence, with the old pool serving still, when it cannot. */
export async function splitPool({ client, store }: IpamParts, request: SplitRequest): Promise<Split> {
  const pools = await listAll<PoolJson>(client, resourcePath(ipPoolKind));
  const pool = pools.find((one) => isRequested(one, request));
  if (pool === undefined) return alreadySplit(pools, request);
  refuseOtherSplit(pool, pools, request);
  const children = planSplit(pool, request.parts);
  const blocks = (await store.blocks.list()).map(({ value }) => value.spec.cidr);
  const objections = splitObjections(pool, children, { pools, blocks });
  if (objections.length > 0) throw new Error(`Cannot split pool ${poolJsonText(pool)}: ${objections.join("; ")}`);
  await mark(client, pool, request.parts);
  for (const child of children) await createChild(client, pool, child);
  await removeSplit(client, pool, request.parts);
  return { pool: pool.metadata.name, parts: request.parts, children: children.map(brief), result: "split" };
}

// --- internal ---

/** What holds a pool until its addresses are free; upstream's name. */
const poolFinalizer = "projectcalico.org/ippool-finalizer";
const maxConflicts = 10;
const maxRefusals = 10;
const waitMs = 300;

function isRequested({ metadata, spec }: PoolJson, { name, cidr }: SplitRequest): boolean {
  return (name ?? metadata.name) === metadata.name && (cidr ?? spec.cidr) === spec.cidr;
}

function brief({ metadata, spec }: PoolJson) {
  return { name: metadata.name, cidr: spec.cidr };
}

function alreadySplit(pools: readonly PoolJson[], { parts, name, cidr }: SplitRequest): Split {
  const asked = [name, cidr].filter((text) => text !== undefined).join(", ");
  const children = childrenOfFormer(pools, { name, cidr });
  if (children.length === 0)
    throw new Error(`Cannot split pool ${asked}: there is no such pool. See margay get ippools`);
  if (children.length !== parts) {
    throw new Error(
      `Cannot split pool ${asked} into ${parts}: it was split already, and ${children.length} parts of it are there`,
    );
  }
  return { pool: name ?? asked, parts, children: children.map(brief), result: "already split" };
}

function refuseOtherSplit(pool: PoolJson, pools: readonly PoolJson[], { parts }: SplitRequest): void {
  const { name, annotations, deletionTimestamp } = pool.metadata;
  const begun = annotations?.[splitAnnotation];
  if (begun !== undefined && begun !== String(parts) && pools.some((one) => isChildOf(one, pool))) {
    throw new Error(`Cannot split pool ${name} into ${parts}: a split into ${begun} has begun. Finish that one`);
  }
  if (deletionTimestamp !== undefined && begun !== String(parts)) {
    throw new Error(`Cannot split pool ${name}: it is being deleted`);
  }
}

/** Says on the pool what is going on: admission lets its parts overlap it, and a later call goes on. */
async function mark(client: KubeClient, { metadata }: PoolJson, parts: number): Promise<void> {
  if (metadata.annotations?.[splitAnnotation] === String(parts)) return;
  const { name, resourceVersion } = metadata;
  const body = { metadata: { resourceVersion, annotations: { [splitAnnotation]: String(parts) } } };
  await client.patch(resourcePath(ipPoolKind, { name }), body, { type: "merge" });
}

/** The API server may take a moment to see that the pool is marked, and refuse its parts until then. */
async function createChild(client: KubeClient, pool: PoolJson, child: PoolJson): Promise<void> {
  const body = { apiVersion: apiVersionOf(ipPoolKind), kind: ipPoolKind.kind, ...child };
  for (let refusals = 1; ; refusals++) {
    try {
      await client.request("POST", resourcePath(ipPoolKind), { body });
      return;
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.status === 409) return refuseStranger(client, pool, child);
      if (error.status !== 422 || refusals >= maxRefusals) throw error;
      await systemClock.sleep(waitMs);
    }
  }
}

async function refuseStranger(client: KubeClient, pool: PoolJson, { metadata }: PoolJson): Promise<void> {
  const found = await readIfThere<PoolJson>(client, resourcePath(ipPoolKind, { name: metadata.name }));
  if (found !== undefined && isChildOf(found, pool)) return;
  throw new Error(`Cannot split pool ${pool.metadata.name}: there is another pool ${metadata.name} already`);
}

/** Deletes the old pool, provided that its parts stand for it at that moment. */
async function removeSplit(client: KubeClient, { metadata }: PoolJson, parts: number): Promise<void> {
  const path = resourcePath(ipPoolKind, { name: metadata.name });
  for (let attempt = 1; attempt <= maxConflicts; attempt++) {
    const pool = await readIfThere<PoolJson>(client, path);
    if (pool === undefined || pool.metadata.uid !== metadata.uid) return;
    await refuseUnlikeParts(client, pool, parts);
    if ((await removeOnce(client, path, pool)) === "removed") return;
    await systemClock.sleep(waitMs * systemClock.random());
  }
  throw new Error(
    `Cannot finish splitting pool ${metadata.name}: others changed it ${maxConflicts} times meanwhile. Call it again`,
  );
}

async function refuseUnlikeParts(client: KubeClient, pool: PoolJson, parts: number): Promise<void> {
  for (const planned of planSplit(pool, parts)) {
    const { name } = planned.metadata;
    const found = await readIfThere<PoolJson>(client, resourcePath(ipPoolKind, { name }));
    const fields = found === undefined ? ["it is gone"] : changedFields(planned, found);
    if (found?.metadata.deletionTimestamp !== undefined) fields.push("it is being deleted");
    if (fields.length === 0) continue;
    throw new Error(
      `Cannot finish splitting pool ${pool.metadata.name}: its part ${name} is not like it (${fields.join(", ")}). Make it so, or change the pool, and call it again`,
    );
  }
}

/**
 * Takes our finalizer off, which would wait for the addresses that now are the parts', and deletes. Each write is
 * refused when the pool has changed since it was looked at.
 */
async function removeOnce(client: KubeClient, path: string, pool: PoolJson): Promise<"removed" | "conflict"> {
  try {
    const bare = await withoutFinalizer(client, path, pool);
    if (pool.metadata.deletionTimestamp === undefined) {
      const { uid, resourceVersion } = bare.metadata;
      const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid, resourceVersion } };
      await client.request("DELETE", path, { body });
    }
    const [foreign] = bare.metadata.finalizers ?? [];
    if (foreign === undefined) return "removed";
    throw new Error(`Cannot finish splitting pool ${pool.metadata.name}: its finalizer ${foreign} holds it`);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return "removed";
    if (error instanceof KubeError && error.status === 409) return "conflict";
    throw error;
  }
}

async function withoutFinalizer(client: KubeClient, path: string, pool: PoolJson): Promise<PoolJson> {
  const { finalizers = [], resourceVersion } = pool.metadata;
  if (!finalizers.includes(poolFinalizer)) return pool;
  const body = { metadata: { resourceVersion, finalizers: finalizers.filter((one) => one !== poolFinalizer) } };
  return client.patch<PoolJson>(path, body, { type: "merge" });
}

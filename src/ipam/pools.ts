import type { IpPool } from "../api/ip-pool.ts";
import type { Labels } from "../api/objects.ts";
import { parseSelector } from "../api/selector/parse-selector.ts";
import { selectorMatches } from "../api/selector/selector-matches.ts";
import { type Cidr, cidrContains, cidrVersion, prefixLength } from "../net/cidr.ts";
import { compareText } from "../net/compare-text.ts";
import type { IpVersion } from "../net/ip.ts";

/** For whom addresses are wanted. */
export interface PoolQuery {
  readonly version: IpVersion;
  readonly nodeLabels: Labels;
  /** The labels of the pod's namespace; undefined when they are not known, which no `namespaceSelector` selects. */
  readonly namespaceLabels?: Labels | undefined;
  /** Names or CIDRs; see `AssignRequest.pools`. */
  readonly requested?: readonly string[] | undefined;
}

/** Why a pool that is there, or was asked for, does not serve. The reason continues the sentence "pool x …". */
export interface RefusedPool {
  readonly pool: string;
  readonly reason: string;
}

/** The pools of one family, parted into those that may serve and the others. */
export interface PoolChoice {
  /** In the order in which they are to be tried. */
  readonly usable: readonly IpPool[];
  readonly refused: readonly RefusedPool[];
}

/**
 * The pools that may serve: those asked for, in that order, or else those that select the node and the namespace, by
 * name. Asking by name or CIDR overrides selectors and `assignmentMode: Manual`, as upstream, but nothing else.
 */
export function choosePools(pools: readonly IpPool[], query: PoolQuery): PoolChoice {
  const family = pools.filter((pool) => cidrVersion(pool.spec.cidr) === query.version);
  const requested = (query.requested ?? []).filter((text) => concernsFamily(text, pools, query.version));
  const usable: IpPool[] = [];
  const refused: RefusedPool[] = [];
  const consider = (pool: IpPool, reason: string | undefined) => {
    if (reason === undefined) usable.push(pool);
    else refused.push({ pool: poolText(pool), reason });
  };
  const asked = requested.map((text) => family.find((one) => isCalled(one, text)) ?? text);
  for (const one of new Set(asked)) {
    if (typeof one === "string") refused.push({ pool: one, reason: "does not exist" });
    else consider(one, unfitness(one));
  }
  if (requested.length === 0) {
    for (const pool of family.toSorted(byName)) consider(pool, unfitness(pool) ?? notSelected(pool, query));
  }
  return { usable, refused };
}

/** The pool among `pools` that a block lies in. */
export function poolOfBlock(pools: readonly IpPool[], block: Cidr): IpPool | undefined {
  return pools.find((pool) => cidrContains(pool.spec.cidr, block));
}

/** A pool as a sentence names it. */
export function poolText(pool: IpPool): string {
  return `${pool.metadata.name} (${pool.spec.cidr})`;
}

// --- internal ---

/** A name that no pool has concerns every family, so that a misspelt pool is an error and not a free choice. */
function concernsFamily(text: string, pools: readonly IpPool[], version: IpVersion): boolean {
  const pool = pools.find((one) => isCalled(one, text));
  if (pool !== undefined) return cidrVersion(pool.spec.cidr) === version;
  return !text.includes("/") || text.includes(":") === (version === 6);
}

function isCalled(pool: IpPool, text: string): boolean {
  return pool.metadata.name === text || pool.spec.cidr === text;
}

function unfitness({ metadata, spec }: IpPool): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return "is being deleted";
  if (spec.disabled) return "is disabled";
  if (!spec.allowedUses.includes("Workload")) return `is for ${spec.allowedUses.join(" and ")} only`;
  if (prefixLength(spec.cidr) > spec.blockSize) return `is smaller than one of its blocks (/${spec.blockSize})`;
  return undefined;
}

function notSelected({ spec }: IpPool, { nodeLabels, namespaceLabels }: PoolQuery): string | undefined {
  if (spec.assignmentMode !== "Automatic")
    return `has assignmentMode ${spec.assignmentMode} and was not asked for by name`;
  if (!selects(spec.nodeSelector, nodeLabels)) return `does not select the node: ${spec.nodeSelector}`;
  if (spec.namespaceSelector === "") return undefined;
  if (namespaceLabels !== undefined && selects(spec.namespaceSelector, namespaceLabels)) return undefined;
  return `does not select the namespace: ${spec.namespaceSelector}`;
}

function selects(selector: string, labels: Labels): boolean {
  return selectorMatches(parseSelector(selector), labels);
}

function byName(a: IpPool, b: IpPool): number {
  return compareText(a.metadata.name, b.metadata.name);
}

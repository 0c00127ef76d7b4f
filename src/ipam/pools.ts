import type { IpPool } from "../api/ip-pool.ts";
import type { Labels } from "../api/objects.ts";
import { parseSelector } from "../api/selector/parse-selector.ts";
import type { Selector } from "../api/selector/selector.ts";
import { selectorMatches } from "../api/selector/selector-matches.ts";
import { type Cidr, cidrContains, cidrContainsIp, cidrVersion, parseCidr } from "../net/cidr.ts";
import { compareText } from "../net/compare-text.ts";
import type { Ip, IpVersion } from "../net/ip.ts";
import { allocatability } from "./pool-allocatability.ts";

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
 * name. As upstream, asking by name or CIDR overrides selectors and `assignmentMode: Manual`, but nothing else; and when
 * one that was asked for gives no addresses or is not there, none serves.
 */
export function choosePools(pools: readonly IpPool[], query: PoolQuery): PoolChoice {
  const { requested = [] } = query;
  return requested.length === 0 ? selectedPools(pools, query) : requestedPools(pools, requested, query.version);
}

/** True when the node may take blocks from the pool by itself. */
export function selectsNode(pool: IpPool, nodeLabels: Labels): boolean {
  return selectorMatches(selectorsOf(pool).node, nodeLabels);
}

/** The pool that may give this very address, or the pools that hold it and why they do not. */
export function poolOfAddress(
  pools: readonly IpPool[],
  ip: Ip,
): { readonly pool: IpPool } | { readonly refused: readonly RefusedPool[] } {
  const holding = pools.filter(({ spec }) => cidrContainsIp(spec.cidr, ip));
  const pool = holding.find((one) => unfitness(one, pools) === undefined);
  if (pool !== undefined) return { pool };
  return { refused: holding.map((one) => ({ pool: poolText(one), reason: unfitness(one, pools) ?? "" })) };
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

function selectedPools(pools: readonly IpPool[], query: PoolQuery): PoolChoice {
  const usable: IpPool[] = [];
  const refused: RefusedPool[] = [];
  const family = pools.filter((pool) => cidrVersion(pool.spec.cidr) === query.version);
  for (const pool of family.toSorted(byName)) {
    const reason = unfitness(pool, pools) ?? notSelected(pool, query);
    if (reason === undefined) usable.push(pool);
    else refused.push({ pool: poolText(pool), reason });
  }
  return { usable, refused };
}

function requestedPools(pools: readonly IpPool[], requested: readonly string[], version: IpVersion): PoolChoice {
  const usable = new Set<IpPool>();
  const refused = new Map<string, string>();
  for (const text of requested) {
    const called = pools.filter((one) => isCalled(one, text));
    // Of two pools with one CIDR, at most one gives addresses.
    const pool = called.find((one) => unfitness(one, pools) === undefined) ?? called[0];
    const reason = pool === undefined ? missing(text) : (wrongFamily(pool, version) ?? unfitness(pool, pools));
    if (pool !== undefined && reason === undefined) usable.add(pool);
    else refused.set(pool === undefined ? text : poolText(pool), reason ?? "");
  }
  const reasons = [...refused].map(([pool, reason]) => ({ pool, reason }));
  return { usable: reasons.length === 0 ? [...usable] : [], refused: reasons };
}

function missing(text: string): string {
  return text.includes("/") ? "does not exist: it is no IPPool's CIDR" : "does not exist";
}

function wrongFamily(pool: IpPool, version: IpVersion): string | undefined {
  const own = cidrVersion(pool.spec.cidr);
  return own === version ? undefined : `is an IPv${own} pool, and cannot give IPv${version} addresses`;
}

function isCalled({ metadata, spec }: IpPool, text: string): boolean {
  return metadata.name === text || spec.cidr === canonical(text);
}

function canonical(text: string): string {
  try {
    return text.includes("/") ? parseCidr(text) : text;
  } catch {
    // No pool is called so, and that is what the caller then says.
    return text;
  }
}

function unfitness(pool: IpPool, pools: readonly IpPool[]): string | undefined {
  const { status, message } = allocatability(pool, pools);
  if (status === "False") return message;
  const { allowedUses } = pool.spec;
  return allowedUses.includes("Workload") ? undefined : `is for ${allowedUses.join(" and ")} only`;
}

function notSelected(pool: IpPool, { nodeLabels, namespaceLabels }: PoolQuery): string | undefined {
  const { spec } = pool;
  if (spec.assignmentMode !== "Automatic")
    return `has assignmentMode ${spec.assignmentMode} and was not asked for by name`;
  if (!selectsNode(pool, nodeLabels)) return `does not select the node: ${spec.nodeSelector}`;
  if (spec.namespaceSelector === "") return undefined;
  const { namespace } = selectorsOf(pool);
  if (namespaceLabels !== undefined && selectorMatches(namespace, namespaceLabels)) return undefined;
  return `does not select the namespace: ${spec.namespaceSelector}`;
}

interface PoolSelectors {
  readonly node: Selector;
  readonly namespace: Selector;
}

const parsedSelectors = new WeakMap<IpPool, PoolSelectors>();

/** Parsed once for each pool object: they are asked for with every pod. */
function selectorsOf(pool: IpPool): PoolSelectors {
  const known = parsedSelectors.get(pool);
  if (known !== undefined) return known;
  const { nodeSelector, namespaceSelector } = pool.spec;
  const selectors = { node: parseSelector(nodeSelector), namespace: parseSelector(namespaceSelector) };
  parsedSelectors.set(pool, selectors);
  return selectors;
}

function byName(a: IpPool, b: IpPool): number {
  return compareText(a.metadata.name, b.metadata.name);
}

import type { Finding } from "../../api/condition.ts";
import type { IpPool } from "../../api/ip-pool.ts";
import { allocatability } from "../../ipam/pool-allocatability.ts";
import { type Cidr, cidrContains, prefixLength } from "../../net/cidr.ts";

/** Every type of condition that a pool may get. */
export const poolConditionTypes: readonly string[] = ["Allocatable", "Encapsulated", "BlockSizeUniform"];

/** What there is to say of a pool. */
export interface PoolFacts {
  readonly pool: IpPool;
  /** All there are. */
  readonly pools: readonly IpPool[];
  /** The networks of all blocks. */
  readonly blocks: readonly Cidr[];
  /** What its deletion waits for, as a phrase; undefined when it is not being deleted. */
  readonly waitsFor: string | undefined;
  /** What is wrong with it, where `pool` stands for one that cannot be read. */
  readonly fault: string | undefined;
}

/** The conditions that a pool is to have; those of `poolConditionTypes` that are not among them it is not to have. */
export function poolFindings(facts: PoolFacts): readonly Finding[] {
  return [allocatable(facts), ...encapsulated(facts), ...blockSizeUniform(facts)];
}

// --- internal ---

function allocatable({ pool, pools, waitsFor, fault }: PoolFacts): Finding {
  const { status, reason, message } = allocatability(pool, pools);
  if (fault !== undefined && reason !== "Terminating") {
    const message = `${fault}. Nothing is given from it until that is corrected.`;
    return { type: "Allocatable", status: "False", reason: "NotReadable", message };
  }
  if (status === "True" && pool.spec.allowedUses.includes("LoadBalancer")) {
    return {
      ...{ type: "Allocatable", status: "False", reason: "LoadBalancerNotServed" },
      message: "The pool is for Services of type LoadBalancer, and these get no addresses here.",
    };
  }
  const more = waitsFor === undefined ? "" : `: ${waitsFor}`;
  return { type: "Allocatable", status, reason, message: `The pool ${message}${more}.` };
}

function encapsulated({ pool: { spec } }: PoolFacts): readonly Finding[] {
  const field = spec.vxlanMode === "Never" ? "ipipMode" : "vxlanMode";
  if (spec[field] === "Never") return [];
  const message = `${field} is ${spec[field]}, but nothing is wrapped yet: packets of the pool's pods are routed as they are.`;
  return [{ type: "Encapsulated", status: "False", reason: "NotImplemented", message }];
}

function blockSizeUniform({ pool: { spec }, blocks }: PoolFacts): readonly Finding[] {
  const others = blocks.filter((block) => prefixLength(block) !== spec.blockSize && cidrContains(spec.cidr, block));
  if (others.length === 0) return [];
  const count = others.length === 1 ? "1 block" : `${others.length} blocks`;
  const message =
    `The pool's blocks are /${spec.blockSize}, but ${count} of another size, such as ${others[0]}, ` +
    `${others.length === 1 ? "lies" : "lie"} in it; nodes go on using them, and make no block that overlaps them.`;
  return [{ type: "BlockSizeUniform", status: "False", reason: "BlockSizeMismatch", message }];
}

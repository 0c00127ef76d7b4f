/** Taking back addresses and blocks for the whole cluster: what controllers and people do, not a node for itself. */
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";

/** One address to free, provided that it still is what was looked at. */
export interface AddressRelease {
  readonly ip: Ip;
  /** Who must still hold it; undefined when the allocation names no handle. */
  readonly handle: string | undefined;
  /** What the block's `sequenceNumberForAllocation` must still say of it; undefined when nothing was said. */
  readonly sequenceNumber: bigint | undefined;
  /** For the block's journal: a short phrase, such as `pod gone`. */
  readonly why: string;
}

/** What became of one: freed; free already; or held otherwise than was looked at, and kept. */
export interface ReleaseAnswer {
  readonly ip: Ip;
  readonly outcome: "released" | "free" | "changed";
}

/** A node's block to give up. */
export interface BlockRelease {
  readonly cidr: Cidr;
  readonly node: NodeName;
  /** Also when addresses are in use: they stay, in a block that is nobody's any more. */
  readonly evenIfUsed: boolean;
}

/**
 * Rejects as the store does; every call may be repeated after a crash at any write. Once `signal` is aborted nothing more is
 * written, and a call that is not done rejects with its reason.
 */
export interface Reclaimer {
  /**
   * One write a block for all of its addresses; handles' records follow, and may stay behind. `onAnswers` hears of each
   * block's as soon as they stand, also when the call rejects then.
   */
  releaseAddresses(
    releases: readonly AddressRelease[],
    signal?: AbortSignal,
    onAnswers?: (answers: readonly ReleaseAnswer[]) => void,
  ): Promise<readonly ReleaseAnswer[]>;
  /** `deleted`: the block was empty and is gone. `orphaned`: it is nobody's now. `kept`: somebody was first, or it is in use. */
  releaseBlock(release: BlockRelease, signal?: AbortSignal): Promise<"deleted" | "orphaned" | "kept">;
  /** Removes an empty block that is nobody's. */
  deleteOrphan(cidr: Cidr, signal?: AbortSignal): Promise<"deleted" | "kept">;
  /** Removes or corrects the records of these handles by what the blocks, listed once for all, say. */
  repairHandles(handles: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Makes addresses whose cooldown is over free. */
  endCooldowns(cidr: Cidr, signal?: AbortSignal): Promise<void>;
}

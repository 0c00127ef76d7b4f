import type { Cidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import type { AllocationTest } from "./block-release.ts";
import type { AssignedAddress, AssignRequest } from "./ipam.ts";

/** One call of the allocator on its way: what is wanted, what has been tried, and whom to answer. */
export type Task = AssignTask | ReleaseTask | TendTask;

interface TaskBase {
  readonly handle: string;
  /** The handle's record must be read before the next try. */
  recordUnknown: boolean;
  /** Tries that lost to another writer. */
  conflicts: number;
  /** Tries that ended in an error of the store. */
  failures: number;
  readonly reject: (error: unknown) => void;
}

/** A call of `assign`. */
export interface AssignTask extends TaskBase {
  readonly kind: "assign";
  readonly request: AssignRequest;
  readonly signal: AbortSignal | undefined;
  /** Our own blocks were read anew for this task. */
  reloaded: boolean;
  borrow: boolean;
  /** Blocks that were read anew for this task: they stood in its way, or memory had its handle's addresses in them. */
  readonly verified: Set<Cidr>;
  /** How often room was found for this task. */
  growths: number;
  /** The handle held something before this task wrote; undefined until that was looked at. */
  heldBefore: boolean | undefined;
  /** Something may have been stored for this task. */
  wrote: boolean;
  /** Blocks of which a write was not answered: it may still take effect. */
  readonly doubtful: Set<Cidr>;
  /** What its tries took, or may have taken, under which number; all else that the handle holds is not this task's. */
  readonly taken: Map<Ip, bigint>;
  readonly resolve: (addresses: readonly AssignedAddress[]) => void;
}

/** A call of `release`, or the taking back of what a failed `assign` has stored. */
export interface ReleaseTask extends TaskBase {
  readonly kind: "release";
  readonly why: string;
  /** Nothing but these; everything when undefined. */
  readonly only: AllocationTest | undefined;
  /** Blocks to write in any case, so that no earlier write takes effect any more. */
  readonly fence: ReadonlySet<Cidr>;
  readonly freed: Set<Ip>;
  readonly resolve: (freed: readonly Ip[]) => void;
}

/** A look at the node's reserve: who was given something of it is told to the store, and it is made as large as it is to be. */
export interface TendTask extends TaskBase {
  readonly kind: "tend";
  readonly resolve: () => void;
}

type Answer<T extends Task> = Pick<T, "resolve" | "reject">;

/** A call of `assign` that nothing has been tried for yet. */
export function assignTask(
  request: AssignRequest,
  signal: AbortSignal | undefined,
  answer: Answer<AssignTask>,
): AssignTask {
  return {
    kind: "assign",
    ...{
      handle: request.handle,
      request,
      signal,
      verified: new Set(),
      recordUnknown: false,
      conflicts: 0,
      failures: 0,
    },
    ...{ reloaded: false, borrow: false, growths: 0, heldBefore: undefined, wrote: false },
    ...{ taken: new Map(), doubtful: new Set() },
    ...answer,
  };
}

/** `failures` already counted leaves fewer tries. */
export function releaseTask(
  {
    handle,
    why,
    only,
    fence = new Set(),
  }: Pick<ReleaseTask, "handle" | "why"> & Partial<Pick<ReleaseTask, "only" | "fence">>,
  failures: number,
  answer: Answer<ReleaseTask>,
): ReleaseTask {
  const untried = { recordUnknown: false, conflicts: 0, failures, freed: new Set<Ip>() };
  return { kind: "release", handle, why, only, fence, ...untried, ...answer };
}

/** A look at the reserve that `handle` holds. */
export function tendTask(handle: string, answer: Answer<TendTask>): TendTask {
  return { kind: "tend", handle, recordUnknown: false, conflicts: 0, failures: 0, ...answer };
}

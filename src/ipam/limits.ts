import type { IpamStore } from "./store.ts";

/** How many blocks a node may have, from whose it may take, and how long an address rests. */
export interface Limits {
  readonly maxBlocks: number;
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  /** For how long an address that was given back is not given out again. */
  readonly cooldownSeconds: number;
}

/** The cluster's settings, upstream's defaults where it has none. Rejects as the store does. */
export async function readLimits(store: IpamStore): Promise<Limits> {
  const spec = (await store.configuration())?.spec;
  return {
    maxBlocks: spec?.maxBlocksPerHost || defaultMaxBlocks,
    strictAffinity: spec?.strictAffinity ?? false,
    autoAllocateBlocks: spec?.autoAllocateBlocks ?? true,
    cooldownSeconds: spec?.ipCooldownSeconds ?? 0,
  };
}

// --- internal ---

const defaultMaxBlocks = 20;

import type { IpamStore } from "./store.ts";

/** How many blocks a node may have, and from whose it may take. */
export interface Limits {
  readonly maxBlocks: number;
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
}

/** The cluster's settings, upstream's defaults where it has none. Rejects as the store does. */
export async function readLimits(store: IpamStore): Promise<Limits> {
  const spec = (await store.configuration())?.spec;
  return {
    maxBlocks: spec?.maxBlocksPerHost || defaultMaxBlocks,
    strictAffinity: spec?.strictAffinity ?? false,
    autoAllocateBlocks: spec?.autoAllocateBlocks ?? true,
  };
}

// --- internal ---

const defaultMaxBlocks = 20;

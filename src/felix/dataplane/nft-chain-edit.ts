/** What of a chain stays at its beginning and its end; what is between goes, and what is wanted there comes. */
export interface ChainEdit {
  readonly before: number;
  readonly behind: number;
  /** Of the rules as they are in the kernel. */
  readonly handles: readonly bigint[];
}

/**
 * How a chain can be changed without filling it anew, which keeps what the rules that stay have counted; undefined when it is
 * not worth looking up their handles.
 */
export function chainEdit(
  wanted: readonly string[],
  found: readonly (string | undefined)[],
): Omit<ChainEdit, "handles"> | undefined {
  const most = Math.min(wanted.length, found.length);
  let before = 0;
  while (before < most && wanted[before] === found[before]) before++;
  let behind = 0;
  while (behind < most - before && wanted.at(-1 - behind) === found.at(-1 - behind)) behind++;
  return before + behind < leastStaying ? undefined : { before, behind };
}

// --- internal ---

/** Fewer rules are written sooner than they are read. */
const leastStaying = 8;

/** Answers how many there are. Throws when an address is there twice, or there are not `count`: then no figure is worth anything. */
export function requireDistinct(addresses: readonly string[], count: number): number {
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw new Error(`Cannot count allocations: ${twice} was given twice`);
  if (addresses.length !== count)
    throw new Error(`Cannot count allocations: ${count} were wanted, ${addresses.length} were given`);
  return count;
}

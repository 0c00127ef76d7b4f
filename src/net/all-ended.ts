/**
 * What all of these come to, once every one of them has ended. Rejects with the first failure in their order, but not before
 * the others have ended too: nothing of them goes on behind the back of whoever then undoes what was done.
 */
export async function allEnded<T extends readonly unknown[]>(
  work: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(work);
  return (await Promise.all(work)) as unknown as T;
}

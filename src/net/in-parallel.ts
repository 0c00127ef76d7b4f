/** `work` on each item, at most `limit` at a time, begun in order. Rejects with the first failure, and begins none after it. */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items].values();
  let failed = false;
  const worker = async () => {
    for (const item of waiting) {
      if (failed) return;
      await work(item);
    }
  };
  const guarded = async () => {
    try {
      await worker();
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: limit }, guarded));
}

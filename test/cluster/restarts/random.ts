/** Uniform in [0, 1). */
export type Random = () => number;

/** Uniform in [least, most). */
export function between(least: number, most: number, random: Random): number {
  return least + random() * (most - least);
}

/** One of them, each as likely. Throws when there is none. */
export function oneOf<T>(all: readonly T[], random: Random): T {
  const index = Math.floor(random() * all.length);
  if (!(index in all)) throw new Error("Cannot choose from nothing");
  return all[index] as T;
}

import { CniError, cniErrorOf } from "./cni-error.ts";

/**
 * Does one after another, also after one that failed: garbage is collected as far as it goes (CNI specification, "GC").
 * Rejects at the end with a `CniError` of the first failure's code that tells of all of them.
 */
export async function doAll(works: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: CniError[] = [];
  for (const work of works) await work().catch((error: unknown) => failures.push(cniErrorOf(error)));
  const [first] = failures;
  if (first === undefined) return;
  const told = failures.map(({ message, details }) => (details === undefined ? message : `${message} (${details})`));
  throw new CniError(first.code, first.message, { details: told.join("; "), cause: first });
}

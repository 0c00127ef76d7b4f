import type { Namespace } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { fromCache } from "./from-cache.ts";

/**
 * The namespace as the watch cache holds it. Throws a `CniError` (11) when it has none of that name even after a moment:
 * to go on without it would pass over what its annotations and labels say about addresses.
 */
export async function findNamespace(name: string, node: CniDependencies, signal: AbortSignal): Promise<Namespace> {
  const found = await fromCache(() => node.namespaceOf(name), node, signal);
  if (found !== undefined) return found;
  const sentence = `Cannot tell which addresses pods of namespace ${name} may have: the agent does not know the namespace yet. Try again`;
  throw new CniError(cniCode.tryAgainLater, sentence);
}

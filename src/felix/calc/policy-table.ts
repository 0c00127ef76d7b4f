import { type NamespacedName, splitName } from "../../api/names.ts";
import type { KubeNetworkPolicy } from "../../api/objects.ts";
import type { Rejected } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { type CompiledPolicy, compilePolicy } from "./compiled-policy.ts";
import { same } from "./same.ts";

/** The cluster's policies, by namespace. One is compiled only when a pod of this node may be concerned. */
export class PolicyTable {
  readonly #byNamespace = new Map<string, Map<string, Entry>>();

  /** False when the policy says what it said before. */
  set(key: NamespacedName, policy: KubeNetworkPolicy | Rejected | undefined): boolean {
    const [namespace, name] = splitName(key);
    const entries = this.#byNamespace.get(namespace) ?? new Map<string, Entry>();
    if (same(entries.get(name)?.policy, policy)) return false;
    if (policy === undefined) entries.delete(name);
    else entries.set(name, { policy, compiled: undefined });
    if (entries.size === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, entries);
    return true;
  }

  get(key: NamespacedName): CompiledPolicy | undefined {
    const [namespace, name] = splitName(key);
    const entry = this.#byNamespace.get(namespace)?.get(name);
    return entry && compiledOf(entry);
  }

  /** In the order in which they are applied: all are of one tier and of equal order there, so by name. */
  in(namespace: string): readonly CompiledPolicy[] {
    const entries = [...(this.#byNamespace.get(namespace)?.values() ?? [])];
    return entries.map(compiledOf).sort((a, b) => compareText(a.name, b.name));
  }
}

// --- internal ---

interface Entry {
  readonly policy: KubeNetworkPolicy | Rejected;
  compiled: CompiledPolicy | undefined;
}

function compiledOf(entry: Entry): CompiledPolicy {
  entry.compiled ??= compilePolicy(entry.policy);
  return entry.compiled;
}

import { orchestratorLabel } from "../../api/label-names.ts";
import type { Labels } from "../../api/objects.ts";
import type { Kinds, PolicyKind } from "../../api/snapshot.ts";
import { type Anchor, anchorOf } from "./anchor.ts";
import { AnchoredSets } from "./anchored-sets.ts";
import { compilePolicy } from "./compile/compile-policy.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import type { LabelRequirement } from "./label-index.ts";
import { MultiMap } from "./multi-map.ts";
import { same } from "./same.ts";

/** Names one policy object among those of all kinds: `kind/namespace/name`, with an empty namespace for those of none. */
export type PolicyRef = string & { readonly __brand: "PolicyRef" };

/** The name of the policy of that kind with that key: `name`, or `namespace/name`. */
export function policyRef(kind: PolicyKind, key: string): PolicyRef {
  return (key.includes("/") ? `${kind}/${key}` : `${kind}//${key}`) as PolicyRef;
}

/** Empty for a policy of no namespace. */
export function namespaceOfPolicy(ref: PolicyRef): string {
  return ref.split("/")[1] ?? "";
}

/** The cluster's policies of every kind. One is compiled only when an endpoint of this node may be concerned. */
export class PolicyTable {
  readonly #entries = new Map<PolicyRef, Entry>();
  readonly #byNamespace = new MultiMap<string, PolicyRef>();
  /** Those of no namespace, by a label that they select by, and where each stands there. */
  readonly #global = new AnchoredSets<PolicyRef>();
  readonly #anchors = new Map<PolicyRef, Anchor | undefined>();
  /** Global ones that are not in the index as they are now. */
  readonly #unindexed = new Set<PolicyRef>();

  /** False when the policy says what it said before, as far as anybody asked. */
  set(ref: PolicyRef, value: PolicyObject | undefined): boolean {
    const namespace = namespaceOfPolicy(ref);
    const before = this.#entries.get(ref);
    if (before === undefined && value === undefined) return false;
    if (before?.isCompiled && same(before.value, value)) return false;
    if (value === undefined) this.#entries.delete(ref);
    else this.#entries.set(ref, new Entry(ref, value));
    if (namespace === "") this.#unindexed.add(ref);
    else if (value === undefined) this.#byNamespace.delete(namespace, ref);
    else if (before === undefined) this.#byNamespace.add(namespace, ref);
    return true;
  }

  /** Undefined also when the policy asks for nothing, like one that is staged to be deleted. */
  get(ref: PolicyRef): CompiledPolicy | undefined {
    return this.#entries.get(ref)?.compiled();
  }

  /** Those that could concern an endpoint with these labels, which is in this namespace if in any; some twice. */
  *candidates(namespace: string | undefined, labels: Labels): Iterable<PolicyRef> {
    if (namespace !== undefined) yield* this.#byNamespace.get(namespace);
    for (const ref of this.#unindexed) this.#index(ref);
    this.#unindexed.clear();
    yield* this.#global.candidates((label) => (Object.hasOwn(labels, label) ? labels[label] : undefined));
  }

  /** Lets go of what was compiled of a namespace's policies. */
  forget(namespace: string): void {
    for (const ref of this.#byNamespace.get(namespace)) this.#entries.get(ref)?.forget();
  }

  #index(ref: PolicyRef): void {
    if (this.#anchors.has(ref)) this.#global.delete(this.#anchors.get(ref), ref);
    this.#anchors.delete(ref);
    const policy = this.get(ref);
    if (policy === undefined) return;
    const anchor = anchorOf(policy.appliesTo, costOf);
    this.#anchors.set(ref, anchor);
    this.#global.add(anchor, ref);
  }
}

// --- internal ---

/** How little it tells of an endpoint that it has such a label. */
function costOf({ label, values }: LabelRequirement): number {
  // All pods have it, with one value.
  if (label === orchestratorLabel) return Number.POSITIVE_INFINITY;
  return values?.length ?? 1_000;
}

type PolicyObject = Kinds[PolicyKind]["value"];

/** Objects of a class take the least memory, and there can be very many. */
class Entry {
  readonly ref: PolicyRef;
  readonly value: PolicyObject;
  isCompiled = false;
  #compiled: CompiledPolicy | undefined = undefined;

  constructor(ref: PolicyRef, value: PolicyObject) {
    this.ref = ref;
    this.value = value;
  }

  compiled(): CompiledPolicy | undefined {
    if (!this.isCompiled) this.#compiled = compilePolicy(kindOf(this.ref), this.value);
    this.isCompiled = true;
    return this.#compiled;
  }

  forget(): void {
    this.isCompiled = false;
    this.#compiled = undefined;
  }
}

function kindOf(ref: PolicyRef): PolicyKind {
  return ref.slice(0, ref.indexOf("/")) as PolicyKind;
}

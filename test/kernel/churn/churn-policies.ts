import { globalPolicyChange, namespacePolicyChange } from "../../../bench/policy/policies.ts";
import type { Random } from "../../../bench/policy/random.ts";
import type { Namespace } from "../../../src/api/objects.ts";
import { type Change, isRejected } from "../../../src/api/snapshot.ts";

/** How many a namespace has. */
const perNamespace = 8;

/** The namespaces' policies of a cluster: as many as ever, but edited, and gone and come under other names. */
export class ChurnPolicies {
  readonly #random: Random;
  /** Each with the number that its name has. */
  readonly #policies: { readonly namespace: Namespace; readonly index: number }[];

  constructor(namespaces: readonly Namespace[], random: Random) {
    this.#random = random;
    this.#policies = namespaces.flatMap((namespace) =>
      Array.from({ length: perNamespace }, (_, index) => ({ namespace, index })),
    );
  }

  *changes(): Iterable<Change> {
    for (const { namespace, index } of this.#policies) yield namespacePolicyChange(index, namespace, this.#random);
  }

  /** One is edited, or goes and another comes; `serial` is a number that was never given before. */
  change(serial: number): readonly Change[] {
    if (this.#random.chance(10)) return [globalPolicyChange(this.#random.below(400), this.#random)];
    const at = this.#random.below(this.#policies.length);
    const policy = this.#policies[at];
    if (policy === undefined) return [];
    const { namespace, index } = policy;
    if (this.#random.chance(75)) return [this.#edited(namespacePolicyChange(index, namespace, this.#random), serial)];
    const gone = namespacePolicyChange(index, namespace, this.#random);
    this.#policies[at] = { namespace, index: perNamespace + serial };
    const comes = namespacePolicyChange(perNamespace + serial, namespace, this.#random);
    return [{ ...gone, value: undefined } as Change, this.#edited(comes, serial)];
  }

  /** Some have a selector that nobody has had, for labels that few pods have; some cannot be read. */
  #edited(change: Change, serial: number): Change {
    if (change.kind !== "calicoNetworkPolicy" || change.value === undefined || isRejected(change.value)) return change;
    const { value } = change;
    const { name, namespace = "" } = value.metadata;
    if (this.#random.chance(3)) {
      const revision = { uid: `uid-of-${name}`, generation: serial };
      return { ...change, value: { rejected: "it is not well-formed", namespace, name, revision, scope: {} } };
    }
    if (this.#random.chance(50)) return change;
    const selector = `release in {'r-${serial}', 'r-${serial - 1 - this.#random.below(200)}'} || role == 'cache'`;
    const ingress = value.spec.ingress.map((rule) => ({ ...rule, source: { ...rule.source, selector } }));
    return { ...change, value: { ...value, spec: { ...value.spec, ingress } } };
  }
}

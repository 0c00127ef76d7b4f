import { type NamespacedName, namespacedName, splitName } from "../api/names.ts";

/** As much of an object as following it takes. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** One object came or changed (`object` is the whole new one) or went (`object` is undefined). */
export interface ObjectChange {
  /** Empty for an object of no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly object: KubeObject | undefined;
}

/** Which objects were delivered, and in which revision: all that is kept, so that a second reading tells only news. */
export class ObjectRevisions {
  readonly #revisions = new Map<NamespacedName, string>();

  /** The change that `object` is; none when it was delivered in this revision already. */
  put(object: KubeObject): readonly ObjectChange[] {
    const key = keyOf(object);
    const revision = revisionOf(object);
    if (this.#revisions.get(key) === revision) return [];
    this.#revisions.set(key, revision);
    return [change(key, object)];
  }

  /** The change that its going is; none when it was not there. */
  remove(object: KubeObject): readonly ObjectChange[] {
    const key = keyOf(object);
    return this.#revisions.delete(key) ? [change(key, undefined)] : [];
  }

  /** A reading of everything: `put` each object, then `finish` gives the going of those that were not among them. */
  startOver(): { put(object: KubeObject): readonly ObjectChange[]; finish(): readonly ObjectChange[] } {
    const seen = new Set<NamespacedName>();
    return {
      put: (object) => {
        seen.add(keyOf(object));
        return this.put(object);
      },
      finish: () => {
        const gone = [...this.#revisions.keys()].filter((key) => !seen.has(key));
        for (const key of gone) this.#revisions.delete(key);
        return gone.map((key) => change(key, undefined));
      },
    };
  }
}

// --- internal ---

/** With an empty namespace for an object of none. */
function keyOf({ metadata }: KubeObject): NamespacedName {
  return namespacedName(metadata.namespace ?? "", metadata.name);
}

/** With the uid: an object made again in a datastore restored from a backup may meet an old revision number. */
function revisionOf({ metadata }: KubeObject): string {
  return `${metadata.uid ?? ""} ${metadata.resourceVersion ?? ""}`;
}

function change(key: NamespacedName, object: KubeObject | undefined): ObjectChange {
  const [namespace, name] = splitName(key);
  return { namespace, name, object };
}

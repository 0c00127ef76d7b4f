import { Session } from "node:inspector/promises";
import { isMap, isSet } from "node:util/types";

/** A collection that has only grown. */
export interface GrownCollection {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  /** Some of what came last, shortened. */
  readonly last: readonly string[];
}

/** The Maps, Sets and arrays of this process, private ones too, that only grow. */
export class GrownCollections {
  #followed: readonly Followed[] = [];

  /** Follows from now on those in which there is at least so much, and whose growth in the past there may be more of. */
  async begin(atLeast: number): Promise<void> {
    const large = (await collections()).filter((one) => sizeOf(one) >= atLeast);
    this.#followed = large.map((one) => ({ ref: new WeakRef(one), from: sizeOf(one), to: sizeOf(one) }));
  }

  /** Follows those no more that are gone, or smaller than at the last look; answers those with more than `by` more than at the first. */
  look(by: number): readonly GrownCollection[] {
    this.#followed = this.#followed.flatMap(({ ref, from, to }) => {
      const now = sizeOf(ref.deref() ?? []);
      return now < to ? [] : [{ ref, from, to: now }];
    });
    return this.#followed.flatMap(({ ref, from, to }) => {
      const one = ref.deref();
      return one !== undefined && to > from + by ? [{ kind: one.constructor.name, from, to, last: lastOf(one) }] : [];
    });
  }
}

// --- internal ---

type Collection = ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | readonly unknown[];

interface Followed {
  readonly ref: WeakRef<Collection>;
  readonly from: number;
  readonly to: number;
}

/** Garbage is collected first. */
async function collections(): Promise<readonly Collection[]> {
  const session = new Session();
  session.connect();
  const found: Collection[] = [];
  const box = globalThis as { takeObjects?: (all: readonly unknown[]) => void };
  box.takeObjects = (all) => {
    // Prototypes of classes that extend them are among them, too.
    for (const one of all) if (isMap(one) || isSet(one) || Array.isArray(one)) found.push(one);
  };
  try {
    for (const expression of ["Map.prototype", "Set.prototype", "Array.prototype"]) {
      const { result } = await session.post("Runtime.evaluate", { expression });
      const { objects } = await session.post("Runtime.queryObjects", { prototypeObjectId: result.objectId ?? "" });
      const functionDeclaration = "function () { takeObjects(this); }";
      await session.post("Runtime.callFunctionOn", { objectId: objects.objectId ?? "", functionDeclaration });
    }
  } finally {
    delete box.takeObjects;
    session.disconnect();
  }
  return found;
}

function sizeOf(one: Collection): number {
  return "size" in one ? one.size : one.length;
}

function lastOf(one: Collection): readonly string[] {
  return [...one.keys()].slice(-3).map((key) => (JSON.stringify(key) ?? "").slice(0, 100));
}

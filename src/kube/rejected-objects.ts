import type { Kind } from "../api/kinds.ts";

/** An object that cannot be read as it stands now. */
export interface RejectedObject {
  readonly kind: Kind;
  /** Empty for an object of no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string | undefined;
  /** A sentence. */
  readonly reason: string;
}

/** How many there are, by the kind's name. */
export function countByKind(objects: readonly RejectedObject[]): ReadonlyMap<string, number> {
  return new Map([...Map.groupBy(objects, ({ kind }) => kind.kind)].map(([kind, { length }]) => [kind, length]));
}

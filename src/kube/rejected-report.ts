import { InvalidObjectError } from "../api/invalid-object-error.ts";
import { type KubeObject, ObjectRevisions } from "./object-revisions.ts";

/** An object that cannot be read. */
export interface RejectedReport {
  /** As it stands in the object, e.g. `IPAMBlock`. */
  readonly kind: string;
  /** `name`, or `namespace/name`. */
  readonly key: string;
  /** A sentence. */
  readonly reason: string;
}

/**
 * A parser that tells of each revision of an object that `parse` refuses, once however often it is read, and throws
 * the InvalidObjectError on. For the objects of one kind, as the API server sends them.
 */
export function reportingParser<T>(
  parse: (json: unknown) => T,
  onRejected: (report: RejectedReport) => void,
): (json: unknown) => T {
  const told = new ObjectRevisions();
  return (json) => {
    try {
      return parse(json);
    } catch (error) {
      if (error instanceof InvalidObjectError && told.put(json as KubeObject).length > 0) {
        onRejected({ kind: error.kind, key: error.object, reason: error.message });
      }
      throw error;
    }
  };
}

/**
 * What `parse` makes of each of `jsons`; of one that it refuses with an InvalidObjectError what `standIn` makes, or
 * nothing.
 */
export function readable<T>(
  jsons: readonly unknown[],
  parse: (json: unknown) => T,
  standIn: (json: unknown) => T | undefined = () => undefined,
): readonly T[] {
  return jsons.flatMap((json) => {
    try {
      return [parse(json)];
    } catch (error) {
      if (!(error instanceof InvalidObjectError)) throw error;
      const value = standIn(json);
      return value === undefined ? [] : [value];
    }
  });
}

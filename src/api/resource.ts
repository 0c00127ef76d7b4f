import { z } from "zod";
import type { Labels, Revision } from "./objects.ts";

/** The part of metav1.ObjectMeta that the code works on. */
interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  /** An opaque revision: compare for equality only. */
  readonly resourceVersion?: string | undefined;
  /** Counts the changes of `spec`. */
  readonly generation?: number | undefined;
  readonly finalizers?: readonly string[] | undefined;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** RFC 3339. */
  readonly creationTimestamp?: string | undefined;
  /** RFC 3339; set once deletion was asked for and finalizers hold the object. */
  readonly deletionTimestamp?: string | undefined;
}

/** An object of one of our kinds, checked, with every default filled in. */
export interface Resource<Spec> {
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
}

/** `T` with every property and element readonly, at every depth. */
export type DeepReadonly<T> = T extends string | number | bigint | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : { readonly [K in keyof T]: DeepReadonly<T[K]> };

/** metadata as the API server sends it. */
export const objectMetaSchema = z.object({
  name: z.string().min(1),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  finalizers: z.array(z.string()).optional(),
  labels: textMap(),
  annotations: textMap(),
  creationTimestamp: z.string().nullish().transform(absentIfNull),
  deletionTimestamp: z.string().nullish().transform(absentIfNull),
});

/** Which state of its object this metadata is of. The API server gives each object a uid, and a generation where it counts. */
export function revisionOf({ uid, generation }: Pick<ObjectMeta, "uid" | "generation">): Revision {
  return { uid: uid ?? "", generation: generation ?? 0 };
}

// --- internal ---

function textMap() {
  return z
    .record(z.string(), z.string())
    .nullish()
    .transform((map) => map ?? {});
}

function absentIfNull(text: string | null | undefined): string | undefined {
  return text ?? undefined;
}

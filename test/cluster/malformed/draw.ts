/** Draws broken objects, the same ones for the same seed. */

import { hostileTexts } from "./bad-values.ts";
import { crossings } from "./crossed-rules.ts";
import { type Json, nothing, withValue } from "./json-path.ts";
import { type Mutation, mutationsAt } from "./mutations.ts";
import { type BrokenKind, samples } from "./samples.ts";
import { placesOf, type Schema } from "./schema.ts";

/** An object with one thing in it that is broken. */
export interface BrokenObject {
  readonly kind: BrokenKind;
  readonly mutation: Mutation;
  readonly object: Json;
}

/** Of every sort of mutation so many, where there are as many; no two alike. */
export function brokenObjects(
  kind: BrokenKind,
  schema: Schema,
  draw: { readonly seed: number; readonly each: number },
) {
  const random = randomOf(`${draw.seed} ${kind}`);
  const bySort = Map.groupBy(candidates(kind, schema), ({ sort }) => sort);
  return [...bySort].flatMap(([, mutations]) =>
    someOf(mutations, draw.each, random).map((mutation): BrokenObject => {
      return { kind, mutation, object: withValue(samples[kind], mutation.path, mutation.value) };
    }),
  );
}

// --- internal ---

function candidates(kind: BrokenKind, schema: Schema): readonly Mutation[] {
  const inSpec = [...placesOf(schema, samples[kind].spec)].flatMap(mutationsAt);
  return [...inSpec, ...crossings(kind), ...metadataMutations()];
}

/** The API server's own kinds of wrong in what every object has. No name holds a slash: no path could lead to it. */
function metadataMutations(): readonly Mutation[] {
  const names = hostileTexts.filter((text) => !text.includes("/"));
  const texts = [["annotations", "note"], ["labels", "listed"], ["name"]] as const;
  return [
    ...texts.flatMap((path) =>
      names.map((value) => ({ sort: "hostile metadata", path: ["metadata", ...path], value: `broken${value}` })),
    ),
    ...hostileTexts.map((text) => ({ sort: "hostile metadata", path: ["metadata", "labels", text], value: "x" })),
    ...[null, 7, ["a"], { a: null }, { a: 7 }, { a: { b: "c" } }].flatMap((value) =>
      ["labels", "annotations"].map((field) => ({ sort: "wrong type", path: ["metadata", field], value })),
    ),
    { sort: "wrong type", path: ["metadata", "generation"], value: "1" },
    { sort: "unknown field", path: ["surprise"], value: "x" },
    { sort: "missing required", path: ["spec"], value: nothing },
    { sort: "prototype key", path: ["__proto__"], value: { spec: {} } },
    { sort: "prototype key", path: ["metadata", "labels", "__proto__"], value: "x" },
  ];
}

/** Different ones, each as likely as the others. */
function someOf<T>(all: readonly T[], count: number, random: () => number): readonly T[] {
  const left = [...all];
  return Array.from({ length: Math.min(count, left.length) }, () => {
    return left.splice(Math.floor(random() * left.length), 1);
  }).flat();
}

/** Numbers from 0 up to but not 1, by Marsaglia's xorshift of 32 bits. */
function randomOf(seed: string): () => number {
  let state = [...seed].reduce((sum, one) => Math.imul(sum ^ one.charCodeAt(0), 16_777_619), 0x811c9dc5) || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

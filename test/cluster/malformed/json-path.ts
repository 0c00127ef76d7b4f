/** JSON values that are taken apart and put together again, whatever their keys are called. */

/** Any JSON value; in an object also `__proto__` may be a key like others. */
export type Json = unknown;
/** The way to a value, from the object's root. */
export type Path = readonly (string | number)[];

/** What stands for a field that is to go. */
export const nothing: unique symbol = Symbol("nothing");

/** The value at `path`; undefined when there is none. */
export function valueAt(json: Json, path: Path): Json {
  let value = json;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** A copy with `value` at `path`; `nothing` takes the field away. What the path leads through must be there. */
export function withValue(json: Json, [key, ...rest]: Path, value: Json): Json {
  if (key === undefined) return value;
  if (Array.isArray(json)) {
    const inner = withValue(json[Number(key)], rest, value);
    return json.toSpliced(Number(key), 1, ...(inner === nothing ? [] : [inner]));
  }
  const entries = Object.entries(json as object);
  const place = entries.findIndex(([name]) => name === key);
  const inner = withValue(entries[place]?.[1], rest, value);
  if (inner === nothing) return Object.fromEntries(entries.filter(([name]) => name !== key));
  // As JSON.parse does: a key of any name, `__proto__` too, becomes a field.
  return Object.fromEntries(place < 0 ? [...entries, [key, inner]] : entries.with(place, [String(key), inner]));
}

/** `spec.ingress[0].action`. */
export function pathText(path: Path): string {
  return path
    .reduce<string>((text, key) => (typeof key === "number" ? `${text}[${key}]` : `${text}.${key}`), "")
    .slice(1);
}

/** Whether `path` is `prefix` or leads through it. */
export function isUnder(path: Path, prefix: Path): boolean {
  return prefix.every((key, index) => path[index] === key);
}

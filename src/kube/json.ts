/**
 * The value of a JSON text; an integer beyond `Number.MAX_SAFE_INTEGER` becomes a bigint, so that no digit is lost.
 * Throws a SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): unknown {
  // A reviver costs ten times the plain parse, and every block of addresses has such numbers.
  const marked = withMarks(text);
  if (marked === undefined) return json.parse(text, keepDigits);
  return marked === text ? JSON.parse(text) : withoutMarks(JSON.parse(marked));
}

/** The inverse of `parseJson`: bigints are written digit for digit. `indent` spaces a level; on one line without. */
export function formatJson(value: unknown, indent?: number): string {
  const digits = (_key: string, item: unknown) => (typeof item === "bigint" ? json.rawJSON(item.toString()) : item);
  return JSON.stringify(value, digits, indent);
}

// --- internal ---

/** ECMA-262 "JSON.parse source text access", which TypeScript's library does not declare yet. */
interface JsonWithSource {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

const json = JSON as unknown as JsonWithSource;

function keepDigits(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  const { source } = context;
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** In a text that has one already no other can be told from it. */
const mark = "\u0000";
const escapedMark = "\\u0000";
/** Digits that come first in a pattern would make the search three times as slow. */
const longIntegers = /(^|[:,[\s])(-?[1-9]\d{15,})(?=[,}\]\s]|$)/g;

/**
 * The text with each integer that a number cannot hold as a string with a mark; undefined where it is not plain which digits are
 * a number and which stand in a string. They are one after `x":`, as no string begins after an `x`, and one ends there.
 */
function withMarks(text: string): string | undefined {
  let isPlain = !text.includes(escapedMark);
  const marked = text.replaceAll(longIntegers, (whole, before: string, digits: string, at: number) => {
    if (before !== ":" || text[at - 1] !== '"' || !/\w/.test(text[at - 2] ?? "")) isPlain = false;
    return Number.isSafeInteger(Number(digits)) ? whole : `${before}"${escapedMark}${digits}"`;
  });
  return isPlain ? marked : undefined;
}

/** With bigints in the place of marked strings. A value fresh from `JSON.parse` is its caller's to change. */
function withoutMarks(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const item = fields[key];
    if (typeof item === "object") withoutMarks(item);
    else if (typeof item === "string" && item.startsWith(mark)) fields[key] = BigInt(item.slice(mark.length));
  }
  return value;
}

/**
 * The value of a JSON text; an integer beyond `Number.MAX_SAFE_INTEGER` becomes a bigint, so that no digit is lost.
 * Throws a SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): unknown {
  // A reviver costs several times the plain parse, and nearly no text holds a number of 16 digits.
  return longDigits.test(text) ? json.parse(text, keepDigits) : JSON.parse(text);
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

const longDigits = /\d{16}/;

function keepDigits(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  const { source } = context;
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

import { isCanonicalCidr } from "../../net/cidr.ts";
import { isIp } from "../../net/ip.ts";

/**
 * The only ways a value gets into BIRD's configuration, by helper name. Each prints its value if it has exactly the form
 * that is expected there, and throws otherwise, so that no name or address can end a statement and begin another.
 */
export const valuePrinters = {
  ip: (value: unknown) => checked("an IP address", value, (text) => isIp(text)),
  cidr: (value: unknown) => checked("a network", value, (text) => isCanonicalCidr(text)),
  /** An unsigned integer of 32 bits. */
  number: (value: unknown) =>
    checked("a number", value, (text) => /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff),
  /** A name of a protocol. BIRD takes 64 characters. */
  symbol: (value: unknown) => checked("a name", value, (text) => /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(text)),
  flag: (value: unknown) => checked("true or false", value, (text) => /^(true|false)$/.test(text)),
  /** A text in quotes: BIRD knows no escape inside them, so printable ASCII without quotes only. */
  quoted: (value: unknown) => `"${checked("a quoted text", value, (text) => /^[ !#-~]*$/.test(text))}"`,
} as const;

// --- internal ---

function checked(what: string, value: unknown, isValid: (text: string) => boolean): string {
  const text = String(value);
  if (!isValid(text)) throw new Error(`Cannot print ${JSON.stringify(text)} in BIRD's configuration as ${what}`);
  return text;
}

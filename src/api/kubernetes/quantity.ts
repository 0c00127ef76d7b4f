/**
 * The value of a quantity of Kubernetes (`10M`, `1Gi`, `1e6`, `.5k`), rounded up to a whole number and limited to 64 bits
 * with a sign (apimachinery, resource.Quantity). Undefined for what is none, and for texts of more than 128 characters.
 */
export function parseQuantity(text: string): bigint | undefined {
  const match = text.length > maxLength ? null : form.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
  if (whole + fraction === "") return undefined;
  const size = magnitude(BigInt(whole + fraction), suffix, fraction.length);
  // Away from zero, as upstream rounds.
  return sign === "-" ? -size : size;
}

// --- internal ---

const maxLength = 128;
const form = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,9})$/;

const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binary: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };

const largest = 2n ** 63n - 1n;

function magnitude(digits: bigint, suffix: string, places: number): bigint {
  const bits = binary[suffix];
  if (bits !== undefined) return atMost(dividedUp(digits << bits, 10n ** BigInt(places)));
  const power = (decimal[suffix] ?? Number(suffix.slice(1))) - places;
  if (digits === 0n) return 0n;
  // Powers beyond these are not worked out: anybody can write 1e999999999.
  if (power > 18) return largest;
  if (power < -maxLength) return 1n;
  return atMost(power < 0 ? dividedUp(digits, 10n ** BigInt(-power)) : digits * 10n ** BigInt(power));
}

function dividedUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}

function atMost(value: bigint): bigint {
  return value < largest ? value : largest;
}

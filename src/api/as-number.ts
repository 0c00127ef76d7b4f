/**
 * An AS number of four octets (RFC 6793), given as a number or as text in asplain or asdot+ (RFC 5396); undefined when it is none.
 * 0, which is reserved (RFC 7607), is read too: it stands for "none", as upstream has it.
 */
export function parseAsNumber(value: number | string): number | undefined {
  const [, high, low] = /^([0-9]{1,10})(?:[.]([0-9]{1,5}))?$/.exec(String(value)) ?? [];
  if (high === undefined) return undefined;
  if (low !== undefined && (Number(high) > 65535 || Number(low) > 65535)) return undefined;
  const number = low === undefined ? Number(high) : Number(high) * 65536 + Number(low);
  return number <= 4294967295 ? number : undefined;
}

/** A community (RFC 1997, two 16-bit numbers) or a large one (RFC 8092, three of 32 bits), by its numbers. */
export type Community = readonly [number, number] | readonly [number, number, number];

/** Reads `aa:nn` or `aa:nn:mm`; undefined for what is neither. */
export function parseCommunity(text: string): Community | undefined {
  if (!/^\d{1,10}(:\d{1,10}){1,2}$/.test(text)) return undefined;
  const numbers = text.split(":").map(Number);
  const most = numbers.length === 2 ? 0xffff : 0xffffffff;
  return numbers.every((number) => number <= most) ? (numbers as unknown as Community) : undefined;
}

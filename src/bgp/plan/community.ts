import { isCommunity } from "../../api/community-field.ts";

/** A community (RFC 1997, two 16-bit numbers) or a large one (RFC 8092, three of 32 bits), by its numbers. */
export type Community = readonly [number, number] | readonly [number, number, number];

/** Reads what `isCommunity` takes: `aa:nn` or `aa:nn:mm`; undefined for what is neither. */
export function parseCommunity(text: string): Community | undefined {
  return isCommunity(text) ? (text.split(":").map(Number) as unknown as Community) : undefined;
}

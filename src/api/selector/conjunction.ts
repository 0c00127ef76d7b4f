import type { Selector } from "./selector.ts";

/** What all of `operands` select; everything when there are none. An undefined operand does not count. */
export function conjunction(operands: readonly (Selector | undefined)[]): Selector {
  const given = operands.filter((operand) => operand !== undefined);
  const [first = { kind: "all" } as const, ...rest] = given;
  return rest.length === 0 ? first : { kind: "&&", operands: given };
}

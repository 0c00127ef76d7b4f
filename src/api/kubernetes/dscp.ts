import type { Labels } from "../objects.ts";

/** What a pod's annotation asks for, and why it cannot be had. */
export interface ParsedDscp {
  /** 0 to 63; undefined: nothing. */
  readonly dscp: number | undefined;
  readonly problems: readonly string[];
}

/**
 * Reads `qos.projectcalico.org/dscp`: the differentiated services code point (RFC 2474) of what the pod sends out of the
 * cluster, 0 to 63 or one of upstream's names, in capitals or not.
 */
export function parseDscp(annotations: Labels): ParsedDscp {
  const text = annotations[annotation];
  if (text === undefined) return { dscp: undefined, problems: [] };
  const word = text.trim().toUpperCase();
  const dscp = codePoints.get(word) ?? (/^(0|[1-9][0-9]?)$/.test(word) ? Number(word) : undefined);
  if (dscp !== undefined && dscp <= 63) return { dscp, problems: [] };
  const why = `${JSON.stringify(text.slice(0, 80))} is neither 0 to 63 nor a name such as EF, AF11 or CS1`;
  return { dscp: undefined, problems: [`${annotation} is left out: ${why}`] };
}

// --- internal ---

const annotation = "qos.projectcalico.org/dscp";

/** Default and expedited forwarding, assured forwarding (RFC 2597) and class selectors; upstream does not know CS7. */
const codePoints: ReadonlyMap<string, number> = new Map([
  ["DF", 0],
  ["EF", 46],
  ...[1, 2, 3, 4].flatMap((group) => [1, 2, 3].map((drop) => [`AF${group}${drop}`, 8 * group + 2 * drop] as const)),
  ...[0, 1, 2, 3, 4, 5, 6].map((selector) => [`CS${selector}`, 8 * selector] as const),
]);

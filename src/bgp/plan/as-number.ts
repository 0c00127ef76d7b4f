import { parseAsNumber } from "../../api/as-number.ts";
import type { Node } from "../../api/objects.ts";
import type { RejectedObject } from "./bird-config.ts";

/** The AS of a node that names none, as upstream. */
const defaultAsNumber = 64512;

const annotation = "projectcalico.org/ASNumber";

/** The AS a node speaks for: its annotation, else the default. Every node reads one annotation alike, so both ends agree. */
export function asNumberOf(node: Node): number {
  return parseAsNumber(node.annotations[annotation] ?? "") || defaultAsNumber;
}

/** Says so when a node's AS annotation cannot be read. */
export function rejectedAsNumber(node: Node): RejectedObject | undefined {
  const text = node.annotations[annotation];
  if (text === undefined || parseAsNumber(text)) return undefined;
  const reason = `Cannot read annotation ${annotation}=${JSON.stringify(text)} as an AS number (1 to 4294967295): AS ${defaultAsNumber} is used`;
  return { kind: "Node", name: node.name, reason };
}

import { parseAsNumber } from "../../api/as-number.ts";
import type { Node } from "../../api/objects.ts";
import type { RejectedObject } from "./bird-config.ts";

const annotation = "projectcalico.org/ASNumber";

/** The AS a node speaks for: its annotation, else `common`, the cluster's. Every node reads one annotation alike, so both ends agree. */
export function asNumberOf({ annotations }: Pick<Node, "annotations">, common: number): number {
  return parseAsNumber(annotations[annotation] ?? "") || common;
}

/** Says so when a node's AS annotation cannot be read. */
export function rejectedAsNumber(node: Node, common: number): RejectedObject | undefined {
  const text = node.annotations[annotation];
  if (text === undefined || parseAsNumber(text)) return undefined;
  const reason = `Cannot read annotation ${annotation}=${JSON.stringify(text)} as an AS number (1 to 4294967295): AS ${common} is used`;
  return { kind: "Node", name: node.name, reason };
}

import { shortHash } from "../../net/sha256.ts";
import type { SetId } from "./plan.ts";

/** The name of the set of what is selected by the selector with this canonical text, the same in every process. */
export function selectorSetId(text: string): SetId {
  return setId("s:", text);
}

/** The name of the set of the ports called `portName` of what the set `selected` holds; without a protocol, of all of them. */
export function portSetId(selected: SetId, portName: string, protocol: number | undefined): SetId {
  return setId("n:", `${selected},${protocol ?? "any"},${portName}`);
}

/** The name of the set of a Service's endpoints, with their ports or without. */
export function serviceSetId(kind: "service-addresses" | "service-ports", service: string): SetId {
  return setId(kind === "service-ports" ? "svc:" : "svcnoport:", service);
}

// --- internal ---

/** So long that it fits a kernel set's name; 15 characters of hash, the fewest that are left, are 90 bits. */
const maxLength = 25;

function setId(prefix: string, text: string): SetId {
  return `${prefix}${shortHash(text, maxLength - prefix.length)}` as SetId;
}

import { type Ip, isIp, parseIp } from "../../net/ip.ts";
import type { Labels } from "../objects.ts";
import { quoteAnnotated, readAnnotatedList } from "./annotated-list.ts";

/** The annotation that names addresses which stand for a pod's own. */
export const floatingIpsAnnotation = "cni.projectcalico.org/floatingIPs";

/** What a pod's annotation asks for, and what of it cannot be read: one sentence each. */
export interface ParsedFloatingIps {
  /** Each once, in the annotation's order. Whether the pod may have them is not decided here. */
  readonly ips: readonly Ip[];
  readonly problems: readonly string[];
}

/** Reads a list of addresses in JSON. Empty text says nothing. More than 32 addresses are left out: each costs every node rules. */
export function parseFloatingIps(annotations: Labels): ParsedFloatingIps {
  const { words, problems } = readAnnotatedList(annotations, list);
  const strange = words.filter((word) => !isIp(word));
  const named = strange.map(
    (word) => `${floatingIpsAnnotation}: ${quoteAnnotated(word)} is left out: it is not an IP address`,
  );
  return { ips: [...new Set(words.filter(isIp).map(parseIp))], problems: [...named, ...problems] };
}

// --- internal ---

const list = { annotation: floatingIpsAnnotation, of: "addresses", example: "192.0.2.1", most: 32 };

import { type Ip, isIp, parseIp } from "../../net/ip.ts";
import type { Labels } from "../objects.ts";

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
  const text = annotations[floatingIpsAnnotation] ?? "";
  if (text === "") return { ips: [], problems: [] };
  const words = parseJson(text);
  if (!Array.isArray(words) || !words.every((one) => typeof one === "string")) {
    const why = `${quote(text)} is not a list of addresses in JSON, such as ["192.0.2.1"]`;
    return { ips: [], problems: [`${floatingIpsAnnotation} is left out: ${why}`] };
  }
  const problems = words
    .slice(0, mostAddresses)
    .filter((word) => !isIp(word))
    .map((word) => `${floatingIpsAnnotation}: ${quote(word)} is left out: it is not an IP address`);
  if (words.length > mostAddresses) {
    problems.push(`${floatingIpsAnnotation}: all after the first ${mostAddresses} addresses are left out`);
  }
  return { ips: [...new Set(words.slice(0, mostAddresses).filter(isIp).map(parseIp))], problems };
}

// --- internal ---

const mostAddresses = 32;

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Nothing that JSON can be is undefined: the caller refuses it as it does any other value.
    return undefined;
  }
}

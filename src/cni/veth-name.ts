import { createHash } from "node:crypto";
import { workloadInterfacePrefix } from "../net/workload-interface-prefix.ts";

/**
 * The host's end of a pod's veth pair: `cali` and the first 11 hex digits of sha1(`<namespace>.<pod>`), 15 characters in
 * all, the longest name the kernel takes. Upstream's rule, so that firewall rules and runbooks go on matching.
 */
export function vethName(namespace: string, pod: string): string {
  return nameOf(`${namespace}.${pod}`);
}

/** The same for an interface that the pod has beside its first one. No pod's name has a slash, so no other pod's is like it. */
export function furtherVethName(namespace: string, pod: string, interfaceName: string): string {
  return nameOf(`${namespace}.${pod}/${interfaceName}`);
}

// --- internal ---

function nameOf(text: string): string {
  return `${workloadInterfacePrefix}${createHash("sha1").update(text).digest("hex").slice(0, 11)}`;
}

/** Which host endpoint stands for an interface, what its profiles say, and which ports stay open whatever policy says. */
import type { HostEndpoint } from "../../src/api/host-endpoint.ts";
import type { NamespacedName, NodeName } from "../../src/api/names.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import type { Ip } from "../../src/net/ip.ts";
import type { Seen } from "./parties.ts";

/** An interface of a node: a workload's, or one of its own with its addresses. */
export type Interface =
  | { readonly kind: "workload"; readonly pod: NamespacedName }
  | { readonly kind: "host"; readonly name: string; readonly addresses: readonly Ip[] };

/**
 * The first by name of those that name the interface, or name none and expect one of its addresses; else the first of those
 * for every interface (`*`), which are for no workload's.
 */
export function hostEndpointOf(
  { snapshot, node }: { readonly snapshot: Snapshot; readonly node: NodeName },
  via: Interface,
): HostEndpoint | undefined {
  if (via.kind === "workload") return undefined;
  const ofNode = [...snapshot.hostEndpoint.values()]
    .filter(({ spec }) => spec.node === node)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const own = ofNode.find(({ spec: { interfaceName, expectedIPs } }) =>
    interfaceName === "" ? expectedIPs.some((ip) => via.addresses.includes(ip)) : interfaceName === via.name,
  );
  return own ?? ofNode.find(({ spec }) => spec.interfaceName === "*");
}

/** What none of its policies decides: one profile that exists allows everything; none denies. */
export function hostProfileAllows(snapshot: Snapshot, hostEndpoint: HostEndpoint | undefined): boolean {
  return (hostEndpoint?.spec.profiles ?? []).some(
    (profile) =>
      profile === "projectcalico-default-allow" ||
      (profile.startsWith("kns.") && snapshot.namespace.has(profile.slice("kns.".length))),
  );
}

/** A port without which a node could not be reached to mend its policy. */
export function isFailsafe(direction: "ingress" | "egress", { protocol, port }: Seen): boolean {
  return failsafePorts[direction].has(`${protocol}:${port}`);
}

/** Before connection tracking, answers from such ports too. */
export function isRawFailsafe(direction: "ingress" | "egress", seen: Seen): boolean {
  const opposite = direction === "ingress" ? "egress" : "ingress";
  return isFailsafe(direction, seen) || failsafePorts[opposite].has(`${seen.protocol}:${seen.sourcePort}`);
}

// --- internal ---

/** FelixConfiguration's failsafeInboundHostPorts and failsafeOutboundHostPorts as they are by default. */
const failsafePorts = {
  ingress: new Set(["6:22", "17:68", "6:179", "6:2379", "6:2380", "6:5473", "6:6443", "6:6666", "6:6667"]),
  egress: new Set(["17:53", "17:67", "6:179", "6:2379", "6:2380", "6:5473", "6:6443", "6:6666", "6:6667"]),
};

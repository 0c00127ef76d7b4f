import type { HostEndpoint } from "../../api/host-endpoint.ts";
import type { NodeName } from "../../api/names.ts";
import type { HostInterface } from "../../api/objects.ts";
import { compareText } from "../../net/compare-text.ts";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";
import { same } from "./same.ts";

/** This node's host endpoints by name, and which of its interfaces each is for. */
export class HostEndpointTable {
  readonly #node: NodeName;
  readonly #local = new Map<string, HostEndpoint>();
  readonly #interfaces = new Map<string, HostInterface>();

  constructor(node: NodeName) {
    this.#node = node;
  }

  /** Answers whether the host endpoint is, or was, this node's. */
  set(name: string, hostEndpoint: HostEndpoint | undefined): boolean {
    const wasLocal = this.#local.delete(name);
    const isLocal = hostEndpoint?.spec.node === this.#node;
    if (hostEndpoint !== undefined && isLocal) this.#local.set(name, hostEndpoint);
    return wasLocal || isLocal;
  }

  /** Whether one of this node's has the profile of the namespace, and with it its labels. */
  hasProfileOf(namespace: string): boolean {
    return [...this.#local.values()].some((hostEndpoint) => namespacesOfProfiles(hostEndpoint).includes(namespace));
  }

  /** An interface of this node. False when that makes no difference: workload interfaces are none of the node's own. */
  setInterface(name: string, hostInterface: HostInterface | undefined): boolean {
    if (name.startsWith(workloadInterfacePrefix) || same(this.#interfaces.get(name), hostInterface)) return false;
    if (hostInterface === undefined) this.#interfaces.delete(name);
    else this.#interfaces.set(name, hostInterface);
    return true;
  }

  /**
   * Which host endpoint each interface of this node has, in the order of the interfaces' names. One that is named needs
   * not be there yet, so that its policy is before it is. Of several that name an interface, or have no name for one and
   * expect an address that is on it, the first by name is for it, as upstream; under `*`, the first for every interface.
   */
  assignments(): ReadonlyMap<string, HostEndpoint> {
    const assigned = new Map<string, HostEndpoint>();
    for (const [, hostEndpoint] of [...this.#local].sort(([a], [b]) => compareText(a, b))) {
      for (const interfaceName of this.#interfacesOf(hostEndpoint)) {
        if (!assigned.has(interfaceName)) assigned.set(interfaceName, hostEndpoint);
      }
    }
    return new Map([...assigned].sort(([a], [b]) => compareText(a, b)));
  }

  #interfacesOf({ spec }: HostEndpoint): readonly string[] {
    if (spec.interfaceName.startsWith(workloadInterfacePrefix)) return [];
    if (spec.interfaceName !== "") return [spec.interfaceName];
    return [...this.#interfaces.values()]
      .filter(({ addresses }) => addresses.some((ip) => spec.expectedIPs.includes(ip)))
      .map(({ name }) => name);
  }
}

/** The namespaces whose profiles it names, in that order, each once. */
export function namespacesOfProfiles({ spec }: HostEndpoint): readonly string[] {
  return [...new Set(spec.profiles.flatMap((profile) => namespaceOfProfile(profile) ?? []))];
}

// --- internal ---

/** The namespace whose profile it is: `kns.shop` is that of `shop`; undefined for any other profile. */
function namespaceOfProfile(profile: string): string | undefined {
  return profile.startsWith("kns.") ? profile.slice("kns.".length) : undefined;
}

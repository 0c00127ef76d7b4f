import type { NamespacedName } from "../../api/names.ts";
import type { Labels, Namespace, Pod } from "../../api/objects.ts";
import type { Ip } from "../../net/ip.ts";
import { endpointLabels } from "./endpoint-labels.ts";
import { MultiMap } from "./multi-map.ts";

/** The cluster's pods and namespaces, by namespace and address. */
export class PodTable {
  readonly #pods = new Map<NamespacedName, Entry>();
  readonly #byNamespace = new MultiMap<string, NamespacedName>();
  readonly #byIp = new MultiMap<Ip, NamespacedName>();
  readonly #namespaces = new Map<string, Namespace>();

  set(key: NamespacedName, pod: Pod | undefined): void {
    const before = this.#pods.get(key);
    if (before !== undefined) {
      this.#pods.delete(key);
      this.#byNamespace.delete(before.pod.namespace, key);
      for (const ip of namedIps(before.pod)) this.#byIp.delete(ip, key);
    }
    if (pod === undefined) return;
    this.#pods.set(key, { pod, labels: undefined });
    this.#byNamespace.add(pod.namespace, key);
    for (const ip of namedIps(pod)) this.#byIp.add(ip, key);
  }

  get(key: NamespacedName): Pod | undefined {
    return this.#pods.get(key)?.pod;
  }

  setNamespace(name: string, namespace: Namespace | undefined): void {
    if (namespace === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, namespace);
    for (const key of this.#byNamespace.get(name)) {
      const entry = this.#pods.get(key);
      if (entry !== undefined) entry.labels = undefined;
    }
  }

  namespace(name: string): Namespace | undefined {
    return this.#namespaces.get(name);
  }

  keys(): Iterable<NamespacedName> {
    return this.#pods.keys();
  }

  keysIn(namespace: string): Iterable<NamespacedName> {
    return this.#byNamespace.get(namespace);
  }

  /** The pods that name the address as theirs, in their status or an annotation. */
  keysAt(ip: Ip): Iterable<NamespacedName> {
    return this.#byIp.get(ip);
  }

  /**
   * The labels that peers are selected by; undefined when the pod can be no peer: it has no node yet and so no address
   * of its own, it has finished, it uses the host's network, or its namespace is not known, and with it what a namespace
   * selector would find.
   */
  peerLabels(key: NamespacedName): Labels | undefined {
    const entry = this.#pods.get(key);
    if (entry === undefined || entry.pod.node === undefined) return undefined;
    if (entry.pod.finished || entry.pod.hostNetwork) return undefined;
    const namespace = this.#namespaces.get(entry.pod.namespace);
    if (namespace === undefined) return undefined;
    entry.labels ??= endpointLabels(entry.pod, namespace);
    return entry.labels;
  }
}

// --- internal ---

function namedIps({ ips, annotatedIps }: Pod): readonly Ip[] {
  return [...ips, ...annotatedIps];
}

interface Entry {
  readonly pod: Pod;
  /** Worked out when first needed. */
  labels: Labels | undefined;
}

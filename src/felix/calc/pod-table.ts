import type { NamespacedName } from "../../api/names.ts";
import type { Namespace, Pod, ServiceAccount } from "../../api/objects.ts";
import type { Ip } from "../../net/ip.ts";
import { MultiMap } from "./multi-map.ts";
import { ParentTable } from "./parent-table.ts";

/** The cluster's pods, by name and address, and what they inherit labels from. */
export class PodTable {
  readonly parents = new ParentTable();
  readonly #pods = new Map<NamespacedName, Pod>();
  readonly #byIp = new MultiMap<Ip, NamespacedName>();

  set(key: NamespacedName, pod: Pod | undefined): void {
    const before = this.#pods.get(key);
    if (before !== undefined) for (const ip of namedIps(before)) this.#byIp.delete(ip, key);
    if (pod === undefined) {
      this.#pods.delete(key);
      return;
    }
    this.#pods.set(key, pod);
    for (const ip of namedIps(pod)) this.#byIp.add(ip, key);
  }

  get(key: NamespacedName): Pod | undefined {
    return this.#pods.get(key);
  }

  setNamespace(name: string, namespace: Namespace | undefined): void {
    this.parents.setNamespace(name, namespace);
  }

  namespace(name: string): Namespace | undefined {
    return this.parents.namespace(name);
  }

  setServiceAccount(key: NamespacedName, account: ServiceAccount | undefined): void {
    this.parents.setServiceAccount(key, account);
  }

  /** The object of the pod's service account, if it is known. */
  serviceAccountOf({ namespace, serviceAccount }: Pod): ServiceAccount | undefined {
    return this.parents.serviceAccount(namespace, serviceAccount);
  }

  /** The pods that name the address as theirs, in their status or an annotation. */
  keysAt(ip: Ip): Iterable<NamespacedName> {
    return this.#byIp.get(ip);
  }

  /** Whether a pod that still has addresses reports this one. */
  isReported(ip: Ip): boolean {
    return [...this.keysAt(ip)].some((key) => {
      const pod = this.#pods.get(key);
      return pod !== undefined && !pod.finished && pod.ips.includes(ip);
    });
  }
}

// --- internal ---

function namedIps({ ips, annotatedIps }: Pod): readonly Ip[] {
  return annotatedIps.length === 0 ? ips : [...ips, ...annotatedIps];
}

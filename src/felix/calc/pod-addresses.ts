import type { NamespacedName, NodeName } from "../../api/names.ts";
import type { Ip } from "../../net/ip.ts";
import type { AddressHolders } from "./address-holders.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import { openPodOf } from "./open-pod.ts";
import type { PodTable } from "./pod-table.ts";

/** What tells which addresses are a pod's. */
export interface PodAddressSources {
  readonly node: NodeName;
  readonly pods: PodTable;
  readonly attachments: AttachmentTable;
  readonly holders: AddressHolders;
}

/** By which addresses other pods' rules know a pod. */
export class PodAddresses {
  readonly #sources: PodAddressSources;

  constructor(sources: PodAddressSources) {
    this.#sources = sources;
  }

  /**
   * Those that the pod reports, unless IPAM says that one is another's; those that only its annotations name, where IPAM
   * says that they are its own; and those that it has on this node, which knows them before anybody reports them. None twice.
   */
  of(key: NamespacedName): readonly Ip[] {
    const { pods, attachments, holders } = this.#sources;
    const { ips = [], annotatedIps = [] } = pods.get(key) ?? {};
    const reported = ips.every((ip) => holders.mayStandFor(key, ip))
      ? ips
      : ips.filter((ip) => holders.mayStandFor(key, ip));
    const annotated = annotatedIps.filter((ip) => holders.isHeldBy(key, ip));
    const wired = attachments
      .ofPod(key)
      .filter((one) => openPodOf(one, this.#sources) !== undefined)
      .flatMap(({ addresses }) => addresses);
    if (annotated.length + wired.length === 0 && reported.length < 2) return reported;
    return [...new Set([...reported, ...annotated, ...wired])];
  }
}

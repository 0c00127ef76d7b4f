import type { NodeName } from "../api/names.ts";
import type { Attachment, AttachmentKey } from "../api/objects.ts";
import type { AttachmentFiles } from "../cni/attachments.ts";
import type { CniDependencies, CniPaths } from "../cni/dependencies.ts";
import type { LeaseFiles } from "../cni/leases.ts";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import { readInterfaceAddresses } from "../host/addresses-in-use.ts";
import { systemClock } from "../host/clock.ts";
import type { Host } from "../host/host.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { mayLeadToNamespace } from "../host/network-namespaces.ts";
import { intoNode, pluginRunner } from "../host/run-plugin.ts";
import { readSysctl, writeSysctl } from "../host/sysctl.ts";
import type { KubeClient } from "../kube/client.ts";
import { readPod } from "../kube/read-pod.ts";
import type { AgentMetrics } from "./metrics/agent-metrics.ts";
import { orAborted } from "./or-aborted.ts";
import type { PodAnnotations } from "./pod-annotations.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

export interface CniParts {
  readonly node: NodeName;
  readonly paths: CniPaths;
  readonly host: Host;
  readonly client: KubeClient;
  readonly store: SnapshotStore;
  readonly attachments: AttachmentFiles;
  readonly leases: LeaseFiles;
  readonly annotations: PodAnnotations;
  readonly ipam: CniDependencies["ipam"];
  readonly observer: Pick<AgentMetrics, "answered" | "policyAwaited">;
  readonly settings: () => FelixSettings;
  /** Everything has been read once, and the kernel holds the plan. */
  readonly isReady: () => boolean;
  readonly policyFaults: (hostInterface: string) => Promise<readonly string[]>;
  /** Resolves once the kernel holds what follows from it. */
  readonly publish: (attachment: Attachment) => Promise<void>;
  readonly withdraw: (key: AttachmentKey) => Promise<void>;
  readonly report: CniDependencies["report"];
}

/** What the CNI is served from on a real node. */
export function cniDependencies(parts: CniParts): CniDependencies {
  const { node, paths, host, client, store, attachments, leases, annotations, observer, isReady, report } = parts;
  const { snapshot } = store;
  return {
    ...{
      nodeName: node,
      paths,
      host,
      openNetlink,
      readSysctl,
      writeSysctl,
      readInterfaceAddresses,
      mayLeadToNamespace,
    },
    isUplink: (name) => parts.settings().mtuIfacePattern.test(name),
    ...{ ipam: parts.ipam, attachments, leases },
    cachedPod: (pod) => snapshot.pod.get(pod),
    namespaceOf: (name) => snapshot.namespace.get(name),
    pools: () => store.list("ipPool"),
    nodes: () => store.list("node"),
    bgpPeers: () => store.list("bgpPeer"),
    apiServer: client.server,
    readPod: (pod, signal) => readPod(client, pod, signal),
    publish: (value, signal) => orAborted(parts.publish(value), signal),
    withdraw: parts.withdraw,
    policyFaults: ({ hostInterface }) => parts.policyFaults(hostInterface),
    runPlugin: pluginRunner(host, intoNode),
    unready: () => (isReady() ? undefined : "the agent has not yet read everything from the API server"),
    report,
    observer: {
      answered: observer.answered,
      attached: (attachment, policyMs) => {
        observer.policyAwaited(policyMs);
        annotations.announce(attachment, policyMs);
      },
      detached: (attachment) => annotations.retract(attachment),
    },
    clock: systemClock,
  };
}

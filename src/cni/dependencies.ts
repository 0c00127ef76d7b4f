import type { BgpPeer } from "../api/bgp-peer.ts";
import type { IpPool } from "../api/ip-pool.ts";
import type { NamespacedName, NodeName } from "../api/names.ts";
import type { Attachment, AttachmentKey, Namespace, Node, Pod } from "../api/objects.ts";
import type { readInterfaceAddresses } from "../host/addresses-in-use.ts";
import type { Host } from "../host/host.ts";
import type { Netlink } from "../host/netlink/netlink.ts";
import type { mayLeadToNamespace } from "../host/network-namespaces.ts";
import type { PluginEnd, PluginRun } from "../host/run-plugin.ts";
import type { readSysctl, writeSysctl } from "../host/sysctl.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Clock } from "../net/clock.ts";
import type { AttachmentFiles } from "./attachments.ts";
import type { LeaseFiles } from "./leases.ts";

/** Everything the CNI server needs of the node. The agent builds one and keeps it for its life. */
export interface CniDependencies {
  readonly nodeName: NodeName;
  readonly paths: CniPaths;
  readonly host: Host;
  /** A socket in the namespace at this path, or in the agent's own when absent. The caller closes it. Throws when the path is none. */
  readonly openNetlink: (netns?: string) => Netlink;
  readonly readSysctl: typeof readSysctl;
  readonly writeSysctl: typeof writeSysctl;
  readonly readInterfaceAddresses: typeof readInterfaceAddresses;
  readonly mayLeadToNamespace: typeof mayLeadToNamespace;
  /** Whether the node's interface of this name leads to other nodes: pods get the smallest MTU of these. */
  readonly isUplink: (name: string) => boolean;
  readonly ipam: Ipam;
  /** What this node has wired. The agent reads it too; nobody else writes it. */
  readonly attachments: AttachmentFiles;
  /** What this node gave to containers that other main plugins wire. */
  readonly leases: LeaseFiles;
  /** The pod as the watch cache holds it at this moment. */
  readonly cachedPod: (pod: NamespacedName) => Pod | undefined;
  /** The namespace as the watch cache holds it at this moment; undefined when it has none of that name. */
  readonly namespaceOf: (namespace: string) => Namespace | undefined;
  /** Every pool as the watch cache holds it at this moment. */
  readonly pools: () => readonly IpPool[];
  /** Every node of the cluster, likewise. */
  readonly nodes: () => readonly Node[];
  /** Every BGP neighbour, of whichever node, likewise. */
  readonly bgpPeers: () => readonly BgpPeer[];
  /** URL of the API server without a path, `https://10.0.0.1:6443`. */
  readonly apiServer: string;
  /** The pod as the API server holds it (one GET), undefined for not found. Rejects with a `KubeUnreachableError` or `KubeError`. */
  readonly readPod: (pod: NamespacedName, signal: AbortSignal) => Promise<Pod | undefined>;
  /**
   * Hands the attachment to Felix. Resolves once the kernel holds the endpoint's chains and then its host routes; the
   * same attachment again is no error. Rejects when that cannot be done, or when `signal` aborts.
   */
  readonly publish: (attachment: Attachment, signal: AbortSignal) => Promise<void>;
  /** Takes it back: resolves once its host routes and then its rules are gone. One that Felix does not know is no error. */
  readonly withdraw: (key: AttachmentKey) => Promise<void>;
  /**
   * What of the attachment's policy the kernel does not hold as it was last printed, one sentence each. Rejects when the kernel
   * cannot be asked.
   */
  readonly policyFaults: (attachment: Attachment) => Promise<readonly string[]>;
  /**
   * Runs another plugin's executable in the node's mount and network namespaces, so that its state outlives the agent. Resolves
   * to undefined when there is none of that path, and rejects when it cannot be run or is killed, also by its `signal`.
   */
  readonly runPlugin: (run: PluginRun) => Promise<PluginEnd | undefined>;
  /** Why this node cannot serve ADD at this moment, as a sentence; undefined when it can. */
  readonly unready: () => string | undefined;
  readonly report: Report;
  readonly observer: CniObserver;
  readonly clock: Clock;
}

/** Who is told of what the server has done. Nobody waits for it, and it must not throw. */
export interface CniObserver {
  /** Any request, as soon as its answer is known. */
  readonly answered: (request: AnsweredRequest) => void;
  /** An ADD of a pod has succeeded, after it had waited so many milliseconds for the kernel to hold the pod's policy. */
  readonly attached: (attachment: Attachment, policyMs: number) => void;
  /** The attachment has been taken away for good. */
  readonly detached: (attachment: Attachment) => void;
}

/** What became of one call of an executable. */
export interface AnsweredRequest {
  /** `calico` or `calico-ipam`. */
  readonly program: string;
  /** CNI_COMMAND as it came, which may be anything. */
  readonly verb: string;
  readonly ms: number;
  /** The failure's code in the CNI specification, 0 for success. */
  readonly code: number;
}

export interface CniPaths {
  /** Folder where the shim leaves a DEL that found no agent, `/var/lib/margay/cni/spool`. */
  readonly spool: string;
  /** Folder of address releases still owed to the API server, `/var/lib/margay/cni/journal`. */
  readonly journal: string;
  /** Folder of the ADDs that are under way, `/var/lib/margay/cni/intents`. */
  readonly intents: string;
  /** Which start of the machine the files are of, `/var/lib/margay/cni/boot-id`. */
  readonly bootId: string;
  /** Folder of the addresses held for networks themselves, `/var/lib/margay/cni/holds`. */
  readonly holds: string;
  /** Folder of the networks' configurations, `/etc/cni/net.d`. */
  readonly netConf: string;
  /** `/var/lib/calico/mtu`: the MTU for pods when the configuration gives none. The file may be missing. */
  readonly mtuFile: string;
}

/** One thing worth telling the operator. `facts` are logged as fields. */
export type Report = (
  level: "info" | "warn" | "error",
  message: string,
  facts?: Readonly<Record<string, unknown>>,
) => void;

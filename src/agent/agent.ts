import type { NodeName } from "../api/names.ts";
import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { Change } from "../api/snapshot.ts";
import { BirdDaemon } from "../bgp/bird/bird-daemon.ts";
import { AttachmentFiles } from "../cni/attachments.ts";
import type { CniDependencies } from "../cni/dependencies.ts";
import { LeaseFiles } from "../cni/leases.ts";
import { CniServer } from "../cni/server.ts";
import { NodeCalculator } from "../felix/calc/node-calculator.ts";
import { defaultRenderOptions, renderOptionsFor } from "../felix/render/options.ts";
import { readInterfaceAddresses } from "../host/addresses-in-use.ts";
import { systemClock } from "../host/clock.ts";
import type { Host } from "../host/host.ts";
import { LinuxHost } from "../host/linux-host.ts";
import { openConntrackNetlink } from "../host/netlink/conntrack-netlink.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { mayLeadToNamespace } from "../host/network-namespaces.ts";
import { intoNode, pluginRunner } from "../host/run-plugin.ts";
import { readSysctl, writeSysctl } from "../host/sysctl.ts";
import { Allocator } from "../ipam/allocator.ts";
import { ChangeFeed } from "../kube/change-feed.ts";
import type { KubeClient } from "../kube/client.ts";
import { agentKinds } from "../kube/fed-kinds.ts";
import { KubeIpamStore } from "../kube/ipam-store.ts";
import { connect } from "../kube/kubeconfig.ts";
import { readPod } from "../kube/read-pod.ts";
import { Bgp } from "./bgp.ts";
import { Felix } from "./felix.ts";
import { enableForwarding } from "./forwarding.ts";
import { HostInterfaces } from "./host-interfaces.ts";
import type { Logger } from "./logger.ts";
import { agentCounts } from "./metrics/agent-counts.ts";
import { AgentMetrics } from "./metrics/agent-metrics.ts";
import { MetricsEndpoint } from "./metrics/metrics-endpoint.ts";
import { openDataplane } from "./open-dataplane.ts";
import { type AgentPaths, attachmentsFolder, cniPaths, leasesFolder } from "./paths.ts";
import { PodAnnotations } from "./pod-annotations.ts";
import { QueryEndpoint } from "./query-endpoint.ts";
import { SnapshotStore } from "./snapshot-store.ts";

export interface AgentOptions {
  readonly nodeName: NodeName;
  /** Default: as `connect` finds one. */
  readonly kubeconfig: string | undefined;
  readonly paths: AgentPaths;
  /** Where questions about this node are answered: TCP, on the Node's InternalIP. */
  readonly queryPort: number;
  readonly metricsAddress: string;
  /** TCP; 0: metrics are not served. */
  readonly metricsPort: number;
  readonly logger: Logger;
}

/**
 * One node's agent. All parts see the same changes, in the same order:
 *
 *     API server ─▶ ChangeFeed ──┬─▶ SnapshotStore ─▶ Bgp ─▶ BIRD
 *     attachment files, CNI, ────┴─▶ Felix ─▶ iptables, ipset, routes
 *     interfaces of the host
 *     runtime ─▶ shim ─▶ CniServer ─▶ Allocator, PodAnnotations ─▶ API server
 *     controllers ─▶ QueryEndpoint ─▶ attachments, namespaces, routes
 *
 * It serves the CNI at once, so that a DEL never waits for the API server, and writes to the kernel only when everything
 * has been listed once.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #host: Host = new LinuxHost();
  readonly #store = new SnapshotStore();
  readonly #client: KubeClient;
  readonly #connections = openConntrackNetlink();
  readonly #felix: Felix;
  readonly #bgp: Bgp;
  readonly #feed: ChangeFeed;
  readonly #attachments: AttachmentFiles;
  readonly #leases: LeaseFiles;
  readonly #cni: CniServer;
  readonly #query: QueryEndpoint;
  readonly #hostInterfaces: HostInterfaces;
  readonly #annotations: PodAnnotations;
  readonly #metrics: AgentMetrics;
  readonly #metricsEndpoint: MetricsEndpoint;
  #ready = false;

  private constructor(options: AgentOptions, client: KubeClient) {
    this.#options = options;
    this.#client = client;
    const { nodeName, paths, logger } = options;
    const parts = { clock: systemClock, logger };
    this.#felix = new Felix({
      ...parts,
      calculator: new NodeCalculator(nodeName),
      dataplane: openDataplane(this.#host, this.#report),
      renderOptions: renderOptionsFor({ hasIpv6: readSysctl(undefined, "ipv6/conf/all/disable_ipv6") !== undefined }),
    });
    const daemon = new BirdDaemon({ host: this.#host, socketPath: paths.birdSocket, configPath: paths.birdConfig });
    this.#bgp = new Bgp({ ...parts, node: nodeName, snapshot: this.#store.snapshot, daemon });
    this.#feed = new ChangeFeed({
      client,
      kinds: agentKinds,
      clock: systemClock,
      onChanges: (changes) => this.#takeUnwatched(changes),
      onRejected: (report) =>
        logger.error(report, "cannot read an object: it is set aside; a policy denies, and a pool gives nothing"),
      onTrouble: ({ kind, error }) => logger.warn({ kind, err: error }, "cannot follow the API server: asking again"),
    });
    this.#attachments = new AttachmentFiles(this.#host, attachmentsFolder(paths), this.#report);
    this.#leases = new LeaseFiles(this.#host, leasesFolder(paths), this.#report);
    this.#annotations = new PodAnnotations({
      ...parts,
      node: nodeName,
      client,
      pods: this.#store.snapshot.pod,
      isBusy: () => this.#cni.isBusy,
    });
    this.#metrics = new AgentMetrics(
      agentCounts({
        ...{ host: this.#host, attachments: this.#attachments, paths: cniPaths(paths) },
        rejected: () => this.#feed.rejected,
        closedPolicies: () => this.#felix.closedPolicies,
      }),
    );
    const { metricsAddress: address, metricsPort: port } = options;
    this.#metricsEndpoint = new MetricsEndpoint({ ...parts, address, port, metrics: this.#metrics });
    this.#cni = new CniServer(this.#cniDependencies(), { socketPath: paths.cniSocket });
    const { interfacePrefix } = defaultRenderOptions;
    this.#hostInterfaces = new HostInterfaces({
      ...{ ...parts, node: nodeName, snapshot: this.#store.snapshot, openNetlink, interfacePrefix },
      onChanges: (changes) => this.#takeUnwatched(changes),
    });
    this.#query = new QueryEndpoint({
      ...{ ...parts, node: nodeName, port: options.queryPort, snapshot: this.#store.snapshot },
      ...{ client, host: this.#host },
      policiesInForce: () => this.#felix.policiesInForce(),
      sources: { attachments: this.#attachments, leases: this.#leases, openNetlink, interfacePrefix },
    });
  }

  /** Resolves when the CNI is served. Rejects when there is no usable kubeconfig, or the socket cannot be made. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options, await connect({ kubeconfig: options.kubeconfig, clock: systemClock }));
    try {
      await agent.#start();
    } catch (error) {
      // Half an agent would look alive and serve nobody.
      await agent.stop();
      throw error;
    }
    return agent;
  }

  /** Ends this process's work and leaves the kernel and BIRD as they are. */
  async stop(): Promise<void> {
    await this.#query.stop();
    await this.#metricsEndpoint.stop();
    await this.#cni.close();
    await this.#annotations.stop();
    this.#hostInterfaces.stop();
    this.#felix.stop();
    this.#bgp.stop();
    await this.#feed.stop();
    this.#client.close();
  }

  async #start(): Promise<void> {
    const { paths, nodeName } = this.#options;
    const attachments = await this.#attachments.list();
    this.#takeUnwatched(attachments.map((value) => ({ kind: "attachment", key: attachmentKey(value), value })));
    // Only if need be: the end of pods must not wait for room on the disk.
    if ((await this.#host.readFile(paths.nodenameFile)) !== nodeName) {
      await this.#host.replaceFile(paths.nodenameFile, nodeName);
    }
    this.#feed.start();
    this.#query.start();
    this.#metricsEndpoint.start();
    // It rejects only when the agent is stopped before the first list is in.
    this.#begin().catch((error: unknown) => this.#options.logger.warn({ err: error }, "ended before it had begun"));
    await this.#cni.start();
  }

  async #begin(): Promise<void> {
    const { logger } = this.#options;
    await this.#feed.synced;
    await this.#hostInterfaces.touched();
    enableForwarding(this.#store.snapshot.ipPool.values());
    this.#bgp.begin();
    await this.#felix.begin();
    this.#ready = true;
    void this.#beginAnnotations();
    const sinceStartMs = Math.round(systemClock.monotonicNow());
    logger.info({ sinceStartMs }, "the node follows the API server, and the kernel holds its plan");
  }

  async #beginAnnotations(): Promise<void> {
    try {
      const unreadable = await this.#attachments.listUnreadable();
      const doubtful = new Set(unreadable.flatMap(({ containerId }) => containerId ?? []));
      this.#annotations.begin({ attachments: await this.#attachments.list(), doubtful });
    } catch (error) {
      this.#options.logger.error({ err: error }, "cannot tell what earlier agents have left to write to pods");
      this.#annotations.begin(undefined);
    }
  }

  /** All parts see the changes. Resolves once the kernel holds them, as `Felix.apply`. */
  #take(changes: readonly Change[]): Promise<void> {
    const kinds = this.#store.apply(changes);
    this.#bgp.touched(kinds);
    if (kinds.has("node")) this.#query.touched();
    if (kinds.has("hostEndpoint")) void this.#hostInterfaces.touched();
    if (this.#ready && kinds.has("ipPool")) enableForwarding(this.#store.snapshot.ipPool.values());
    return this.#felix.apply(changes);
  }

  /** For changes that nobody waits for. It rejects only when the agent is stopped, and then there is nobody to tell. */
  #takeUnwatched(changes: readonly Change[]): void {
    this.#take(changes).catch(() => undefined);
  }

  /**
   * The end of a pod must not wait for the API server: before the first list is in, its route goes with its interface, and
   * its rules, which then match nothing, with the first pass.
   */
  async #withdraw(key: AttachmentKey): Promise<void> {
    // From the file, which DEL removes last: a withdrawal that is tried again still knows them.
    const addresses = (await this.#attachments.get(key))?.addresses ?? [];
    const gone = [{ kind: "attachment", key, value: undefined }] as const;
    if (this.#felix.hasBegun) await this.#take(gone);
    else this.#takeUnwatched(gone);
    await this.#connections.forget(addresses);
  }

  readonly #report: CniDependencies["report"] = (level, message, facts = {}) => {
    this.#options.logger[level](facts, message);
  };

  #cniDependencies(): CniDependencies {
    const { nodeName, paths, logger } = this.#options;
    const store = new KubeIpamStore({
      client: this.#client,
      onRejected: (report) => logger.error(report, "cannot read an object of address management: it is set aside"),
      pools: () => (this.#ready ? this.#store.list("ipPool") : undefined),
      reservations: () => (this.#ready ? this.#store.list("ipReservation") : undefined),
      blocks: () => (this.#ready ? this.#store.list("ipamBlock") : undefined),
      configuration: () => (this.#ready ? { value: this.#store.snapshot.ipamConfiguration.get("default") } : undefined),
      node: (name) => this.#store.snapshot.node.get(name),
    });
    return {
      nodeName,
      paths: cniPaths(paths),
      host: this.#host,
      openNetlink,
      readSysctl,
      writeSysctl,
      readInterfaceAddresses,
      mayLeadToNamespace,
      ipam: new Allocator({ store, node: nodeName, clock: systemClock }),
      attachments: this.#attachments,
      leases: this.#leases,
      cachedPod: (pod) => this.#store.snapshot.pod.get(pod),
      namespaceOf: (name) => this.#store.snapshot.namespace.get(name),
      pools: () => this.#store.list("ipPool"),
      nodes: () => this.#store.list("node"),
      bgpPeers: () => this.#store.list("bgpPeer"),
      apiServer: this.#client.server,
      readPod: (pod, signal) => readPod(this.#client, pod, signal),
      publish: (value, signal) =>
        orAborted(this.#take([{ kind: "attachment", key: attachmentKey(value), value }]), signal),
      withdraw: (key) => this.#withdraw(key),
      policyFaults: ({ hostInterface }) => this.#felix.policyFaults(hostInterface),
      runPlugin: pluginRunner(this.#host, intoNode),
      unready: () => (this.#ready ? undefined : "the agent has not yet read everything from the API server"),
      report: this.#report,
      observer: {
        answered: this.#metrics.answered,
        attached: (attachment, policyMs) => {
          this.#metrics.policyAwaited(policyMs);
          this.#annotations.announce(attachment, policyMs);
        },
        detached: (attachment) => this.#annotations.retract(attachment),
      },
      clock: systemClock,
    };
  }
}

// --- internal ---

function orAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () =>
    reject(new Error("Cannot wait for the policy any longer: the request was cancelled", { cause: signal.reason }));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([done, promise]).finally(() => signal.removeEventListener("abort", abort));
}

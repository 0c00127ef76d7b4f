import { flushCompileCache } from "node:module";
import type { NodeName } from "../api/names.ts";
import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { Change } from "../api/snapshot.ts";
import { AttachmentFiles } from "../cni/attachments.ts";
import type { CniDependencies } from "../cni/dependencies.ts";
import { LeaseFiles } from "../cni/leases.ts";
import { CniServer } from "../cni/server.ts";
import { type FelixSettings, matchesInterface } from "../felix/config/felix-settings.ts";
import { systemClock } from "../host/clock.ts";
import type { Host } from "../host/host.ts";
import { LinuxHost } from "../host/linux-host.ts";
import { setNetlinkTimeout } from "../host/netlink/open-netlink.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { shrinkHeap } from "../host/shrink-heap.ts";
import type { KubeClient } from "../kube/client.ts";
import { connect } from "../kube/kubeconfig.ts";
import { workloadInterfacePrefix } from "../net/workload-interface-prefix.ts";
import { agentIpamStore } from "./agent-ipam-store.ts";
import { beginAnnotations } from "./begin-annotations.ts";
import { NodeBgp } from "./bgp/node-bgp.ts";
import { cniDependencies } from "./cni-dependencies.ts";
import { Datastore } from "./datastore.ts";
import { bgpHealth, cniHealth } from "./health/agent-health.ts";
import { HostInterfaces } from "./host-interfaces.ts";
import type { Logger } from "./logger.ts";
import { agentCounts } from "./metrics/agent-counts.ts";
import type { AgentCounts } from "./metrics/agent-metrics.ts";
import { OwnNode } from "./node/own-node.ts";
import { NodeFelix } from "./node-felix.ts";
import { NodeIpam } from "./node-ipam.ts";
import { Operations, type OperationsParts } from "./operations.ts";
import { type AgentPaths, attachmentsFolder, cniFolder, cniPaths, leasesFolder } from "./paths.ts";
import { PodAnnotations } from "./pod-annotations.ts";
import { QueryEndpoint } from "./query-endpoint.ts";
import { felixFile, SettingsFollower } from "./settings/settings-follower.ts";
import { SnapshotStore } from "./snapshot-store.ts";

export interface AgentOptions {
  readonly nodeName: NodeName;
  /** Default: as `connect` finds one. */
  readonly kubeconfig: string | undefined;
  readonly paths: AgentPaths;
  /** Where questions about this node are answered: TCP, on the Node's InternalIP. */
  readonly queryPort: number;
  /** What the command line says: it goes before every other source of settings. */
  readonly overrides: Partial<FelixSettings>;
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
  readonly #settings: SettingsFollower;
  readonly #operations: Operations;
  readonly #felix: NodeFelix;
  readonly #bgp: NodeBgp;
  readonly #datastore: Datastore;
  readonly #attachments: AttachmentFiles;
  readonly #leases: LeaseFiles;
  readonly #cni: CniServer;
  readonly #query: QueryEndpoint;
  readonly #hostInterfaces: HostInterfaces;
  readonly #annotations: PodAnnotations;
  readonly #ipam: NodeIpam;
  readonly #ownNode: OwnNode;
  #ready = false;
  #servesCni = false;

  private constructor(options: AgentOptions, client: KubeClient) {
    this.#options = options;
    this.#client = client;
    const { nodeName, paths, logger } = options;
    const parts = { clock: systemClock, logger };
    const { snapshot } = this.#store;
    this.#attachments = new AttachmentFiles(this.#host, attachmentsFolder(paths), this.#report);
    this.#operations = new Operations({ ...parts, counts: this.#counts(), health: this.#health() });
    this.#settings = new SettingsFollower({
      ...{ ...parts, node: nodeName, snapshot, overrides: options.overrides, host: this.#host },
      ...{ environment: process.env, filePath: felixFile },
      onChange: (settings) => {
        this.#operations.configure(settings);
        this.#felix.configure(settings);
        setNetlinkTimeout(settings.netlinkTimeoutMs);
      },
    });
    const { registry, felix: metrics } = this.#operations;
    this.#felix = new NodeFelix({
      ...{ ...parts, node: nodeName, snapshot, host: this.#host, registry, metrics },
      sync: () => this.#datastore.state,
      onApplied: () => this.#bgp.podsInForce(),
      podsToCome: () => this.#cni.podsToCome,
    });
    this.#ownNode = new OwnNode({
      ...{ ...parts, node: nodeName, snapshot, client, openNetlink, environment: process.env },
    });
    this.#bgp = new NodeBgp({
      ...{ ...parts, node: nodeName, snapshot, client, host: this.#host, paths, registry },
      environment: process.env,
      endpointsInForce: () => this.#felix.endpointsInForce,
      annotate: (name, value) => this.#ownNode.annotate(name, value),
    });
    this.#datastore = new Datastore({
      ...{ ...parts, node: nodeName, client },
      onChanges: (changes, receivedAt) => this.#takeUnwatched(changes, receivedAt),
    });
    this.#leases = new LeaseFiles(this.#host, leasesFolder(paths), this.#report);
    const quiet = { ...parts, isBusy: () => this.#cni.isBusy };
    this.#annotations = new PodAnnotations({ ...quiet, node: nodeName, client, pods: this.#store.snapshot.pod });
    this.#ipam = new NodeIpam({
      ...{ ...quiet, nodeName, host: this.#host, report: this.#report, lockedFolder: cniFolder(paths) },
      ...{ attachmentsFolder: attachmentsFolder(paths), intentsFolder: cniPaths(paths).intents },
      store: agentIpamStore({ client, snapshot: this.#store, logger, isReady: () => this.#ready }),
    });
    this.#cni = new CniServer(this.#cniDependencies(), { socketPath: paths.cniSocket });
    this.#hostInterfaces = new HostInterfaces({
      ...{
        ...parts,
        node: nodeName,
        snapshot: this.#store.snapshot,
        openNetlink,
        interfacePrefix: workloadInterfacePrefix,
      },
      isExcluded: (name) => matchesInterface(this.#settings.settings.interfaceExclude, name),
      onChanges: (changes) => this.#takeUnwatched(changes),
    });
    this.#query = new QueryEndpoint({
      ...{ ...parts, node: nodeName, port: options.queryPort, snapshot: this.#store.snapshot },
      ...{ client, host: this.#host },
      policiesInForce: () => this.#felix.policiesInForce(),
      questions: this.#bgp.questions,
      sources: {
        attachments: this.#attachments,
        leases: this.#leases,
        openNetlink,
        interfacePrefix: workloadInterfacePrefix,
      },
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
    await this.#operations.stop();
    await this.#cni.close();
    await this.#annotations.stop();
    await this.#ipam.stop();
    this.#hostInterfaces.stop();
    this.#settings.stop();
    await this.#felix.stop();
    await this.#bgp.stop();
    await this.#ownNode.stop();
    await this.#datastore.stop();
    this.#client.close();
  }

  async #start(): Promise<void> {
    const { paths, nodeName } = this.#options;
    await this.#settings.start();
    const attachments = await this.#attachments.list();
    this.#takeUnwatched(attachments.map((value) => ({ kind: "attachment", key: attachmentKey(value), value })));
    // Only if need be: the end of pods must not wait for room on the disk.
    if ((await this.#host.readFile(paths.nodenameFile)) !== nodeName) {
      await this.#host.replaceFile(paths.nodenameFile, nodeName);
    }
    this.#datastore.start();
    this.#query.start();
    // It rejects only when the agent is stopped before the first list is in.
    this.#begin().catch((error: unknown) => this.#options.logger.warn({ err: error }, "ended before it had begun"));
    await this.#cni.start();
    this.#servesCni = true;
  }

  async #begin(): Promise<void> {
    const { logger } = this.#options;
    await this.#datastore.synced();
    await this.#hostInterfaces.touched();
    await this.#ownNode.start();
    // It waits for what Felix brings into force, and nothing else waits for it.
    this.#bgp.begin().catch((err: unknown) => logger.error({ err }, "cannot begin with BGP"));
    await this.#felix.begin();
    this.#ready = true;
    this.#ownNode.ready();
    this.#ipam.begin();
    void beginAnnotations({ annotations: this.#annotations, attachments: this.#attachments, logger });
    const sinceStartMs = Math.round(systemClock.monotonicNow());
    logger.info({ sinceStartMs }, "the node follows the API server, and the kernel holds its plan");
    // Node itself writes what it has compiled only when it ends by itself, and an agent that is killed is the one that must be quick
    // to come back. Writes nothing when all was there; what cannot be written is compiled again.
    flushCompileCache();
    shrinkHeap();
  }

  /** All parts see the changes. Resolves as `Felix.apply`. */
  #take(changes: readonly Change[], receivedAt?: number): Promise<void> {
    const kinds = this.#store.apply(changes);
    this.#settings.touched(kinds);
    this.#bgp.touched(kinds);
    this.#ownNode.touched(kinds);
    if (kinds.has("node")) this.#query.touched();
    if (kinds.has("hostEndpoint")) void this.#hostInterfaces.touched();
    return this.#felix.apply(changes, receivedAt);
  }

  /** For changes that nobody waits for. It rejects only when the agent is stopped, and then there is nobody to tell. */
  #takeUnwatched(changes: readonly Change[], receivedAt?: number): void {
    this.#take(changes, receivedAt).catch(() => undefined);
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
    await this.#felix.forgetConnections(addresses);
  }

  #counts(): AgentCounts {
    return agentCounts({
      ...{ host: this.#host, attachments: this.#attachments, paths: cniPaths(this.#options.paths) },
      rejected: () => this.#datastore.rejected,
      closedPolicies: () => this.#felix.closedPolicies,
    });
  }

  #health(): OperationsParts["health"] {
    return {
      datastore: () => this.#datastore.health(),
      dataplane: () => this.#felix.health(),
      cni: () => cniHealth(this.#servesCni),
      bgp: () => bgpHealth(this.#bgp.isConfigured),
    };
  }

  readonly #report: CniDependencies["report"] = (level, message, facts = {}) => {
    this.#options.logger[level](facts, message);
  };

  #cniDependencies(): CniDependencies {
    const { nodeName, paths } = this.#options;
    return cniDependencies({
      ...{ node: nodeName, paths: cniPaths(paths), host: this.#host, client: this.#client, store: this.#store },
      ...{ attachments: this.#attachments, leases: this.#leases, annotations: this.#annotations },
      ipam: this.#ipam.ipam,
      observer: this.#operations.cni,
      settings: () => this.#settings.settings,
      isReady: () => this.#ready,
      policyFaults: (hostInterface) => this.#felix.policyFaults(hostInterface),
      publish: (value) => this.#take([{ kind: "attachment", key: attachmentKey(value), value }]),
      withdraw: (key) => this.#withdraw(key),
      report: this.#report,
    });
  }
}

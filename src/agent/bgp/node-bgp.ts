import { uptime } from "node:os";
import { join } from "node:path";
import type { Registry } from "prom-client";
import { bgpProbePath, parseBgpProbeQuestion } from "../../api/bgp-probe.ts";
import { bgpPath, parseBgpQuery } from "../../api/bgp-query.ts";
import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import { BirdDaemon } from "../../bgp/bird/bird-daemon.ts";
import { readBirdStatus } from "../../bgp/bird/read-bird-status.ts";
import { localDrainFile } from "../../bgp/plan/drain.ts";
import { planBgp } from "../../bgp/plan/plan-bgp.ts";
import { parseRouterId } from "../../bgp/plan/router-id.ts";
import { settledAnnotation } from "../../bgp/plan/transition-progress.ts";
import type { Host } from "../../host/host.ts";
import { openNftables } from "../../host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../host/netlink/route-netlink.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeEventRecorder } from "../../kube/kube-event-recorder.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Logger } from "../logger.ts";
import { type AgentPaths, bgpFolder } from "../paths.ts";
import type { QueryServerParts } from "../query-server.ts";
import { Bgp, type BgpParts } from "./bgp.ts";
import { BgpWatch } from "./bgp-watch.ts";
import { Drain } from "./drain.ts";
import { PeeringAddresses } from "./peering-addresses.ts";
import { BgpProbe } from "./probe-bgp.ts";
import { readProxiedServices } from "./proxied-services.ts";
import { RunningConfig } from "./running-config.ts";
import { SecretFollower } from "./secret-follower.ts";
import { ServiceDelivery, type ServiceDeliveryParts } from "./service-delivery.ts";

export interface NodeBgpParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly client: KubeClient;
  readonly host: Host;
  readonly paths: AgentPaths;
  readonly registry: Registry;
  /** `CALICO_ROUTER_ID` counts. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly endpointsInForce: ServiceDeliveryParts["endpointsInForce"];
  /** What an annotation of the own Node shall say; undefined: it is to go. */
  readonly annotate: (name: string, value: string | undefined) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * BGP with all that belongs to it on a node:
 *
 *     snapshot ─┬─▶ SecretFollower ──┐
 *               ├─▶ ServiceDelivery ─┼─▶ Bgp ─▶ BIRD ─▶ BgpWatch ─▶ events, metrics, history, CalicoNodeStatus
 *               └─▶ Drain ───────────┘                      └─▶ BgpProbe: why a session is down
 */
export class NodeBgp {
  readonly #netlink = openNetlink();
  readonly #nftables = openNftables();
  readonly #secrets: SecretFollower;
  readonly #services: ServiceDelivery;
  readonly #drain: Drain;
  readonly #bgp: Bgp;
  readonly #watch: BgpWatch;
  readonly #probe: BgpProbe;
  readonly #routerId: Ip | undefined;

  /** Throws a `SystemError` when the kernel gives no netlink socket. */
  constructor(parts: NodeBgpParts) {
    const { node, snapshot, client, host, paths, registry, annotate, clock, logger } = parts;
    const common = { node, snapshot, clock, logger };
    this.#routerId = routerIdOf(parts);
    const onChange = () => this.#bgp.touch();
    this.#secrets = new SecretFollower({ ...common, client, onChange });
    this.#services = new ServiceDelivery({
      ...{ ...common, onChange, endpointsInForce: parts.endpointsInForce },
      readProxied: () => readProxiedServices({ host, nftables: this.#nftables }),
      uptimeMs: () => uptime() * 1000,
    });
    this.#drain = new Drain({ ...common, host, file: localDrainFile, annotate, onChange });
    const { birdSocket: socketPath, birdConfig: configPath } = paths;
    const folder = bgpFolder(paths);
    const peering = new PeeringAddresses(this.#netlink);
    this.#bgp = new Bgp({
      ...common,
      daemon: new BirdDaemon({ host, socketPath, configPath }),
      running: new RunningConfig({ host, path: join(folder, "running.json"), configPath, logger }),
      inputs: () => this.#inputs(),
      writeSettled: (text) => annotate(settledAnnotation, text),
      prepare: (config) => peering.apply(config, snapshot.attachment.values()),
      onApplied: ({ isDraining }) => this.#drain.applied(isDraining),
    });
    const configured = () => this.#bgp.configured;
    const events = new KubeEventRecorder({ client, clock, logger, controller: "margay.io/agent", instance: node });
    this.#watch = new BgpWatch({
      ...{ ...common, client, events, host, registry, socketPath, folder, configured },
      pending: () => [...this.#bgp.pending, ...this.#services.pending],
    });
    this.#probe = new BgpProbe({
      ...{ ...common, host, running: configured, recorder: this.#watch.recorder },
      wanted: () => planBgp({ ...this.#known(), snapshot, node }),
      readStatus: () => readBirdStatus(socketPath),
    });
  }

  /**
   * The first full list is in. BIRD is configured once it is known what the sessions' passwords are and which Services can be
   * delivered to: it may hold and announce them already, and must not be told otherwise before. Resolves then.
   */
  async begin(): Promise<void> {
    await this.#watch.start();
    this.#secrets.begin();
    await this.#drain.start();
    await Promise.all([this.#secrets.known(firstPasswordsMs), this.#services.begin()]);
    this.#bgp.begin();
  }

  /** Some kinds changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    this.#secrets.touched(kinds);
    this.#services.touched(kinds);
    this.#drain.touched(kinds);
    this.#bgp.touched(kinds);
  }

  /** Felix has brought something into force. */
  podsInForce(): void {
    this.#services.podsInForce();
  }

  /** Whether BIRD has taken a configuration of this process. */
  get isConfigured(): boolean {
    return this.#bgp.isConfigured;
  }

  /** What the query API asks about this node's BGP. */
  get questions(): NonNullable<QueryServerParts["questions"]> {
    return {
      [bgpPath]: (body) => this.#watch.answer(parseBgpQuery(body)),
      [bgpProbePath]: (body) => this.#probe.answer(parseBgpProbeQuestion(body)),
    };
  }

  /** BIRD keeps what it has. */
  async stop(): Promise<void> {
    this.#services.stop();
    this.#drain.stop();
    await Promise.all([this.#secrets.stop(), this.#bgp.stop(), this.#watch.stop()]);
    this.#netlink.close();
    this.#nftables.close();
  }

  async #inputs(): ReturnType<BgpParts["inputs"]> {
    await this.#secrets.known(passwordWaitMs);
    return this.#known();
  }

  #known(): Awaited<ReturnType<BgpParts["inputs"]>> {
    const routerId = this.#routerId;
    return { secrets: this.#secrets.secrets, deliverable: this.#services.deliverable, routerId, ...this.#drain.state };
  }
}

// --- internal ---

/** One Secret that cannot be read does not keep the node from every other session for longer. */
const firstPasswordsMs = 30_000;

/** A peer that moves to another Secret is not closed while that is on its way. */
const passwordWaitMs = 3_000;

function routerIdOf({
  environment,
  node,
  logger,
}: Pick<NodeBgpParts, "environment" | "node" | "logger">): Ip | undefined {
  try {
    return parseRouterId(environment["CALICO_ROUTER_ID"]?.trim() ?? "", node);
  } catch (error) {
    logger.warn(messageOf(error));
    return undefined;
  }
}

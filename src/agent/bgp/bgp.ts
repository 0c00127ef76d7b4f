import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import type { BirdDaemon } from "../../bgp/bird/bird-daemon.ts";
import type { BgpInputs } from "../../bgp/plan/bgp-inputs.ts";
import type { BirdConfig, RejectedObject } from "../../bgp/plan/bird-config.ts";
import { podNetworks } from "../../bgp/plan/export-policy.ts";
import { planBgp } from "../../bgp/plan/plan-bgp.ts";
import { sessionKinds } from "../../bgp/plan/plan-sessions.ts";
import { type WayToApply, wayToApply } from "../../bgp/plan/session-restarts.ts";
import { needsObservation, planTransition, type Transition } from "../../bgp/plan/transition.ts";
import type { TransitionInputs } from "../../bgp/plan/transition-kept.ts";
import { type ClusterProgress, clusterProgress, formatProgress } from "../../bgp/plan/transition-progress.ts";
import { BirdPrinter } from "../../bgp/templates/bird-printer.ts";
import type { Clock } from "../../net/clock.ts";
import { Loop } from "../../reconcile/loop.ts";
import type { Logger } from "../logger.ts";
import { Patience } from "./patience.ts";
import type { RunningConfig } from "./running-config.ts";

export interface BgpParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly daemon: BirdDaemon;
  readonly running: RunningConfig;
  /** What bears on the plan besides the snapshot, as it is now. Whoever changes it calls `touch`. */
  readonly inputs: () => Promise<Omit<BgpInputs, "snapshot" | "node">>;
  /** What the annotation `settledAnnotation` of this node's own Node shall say; undefined: it is not to be there. */
  readonly writeSettled: (progress: string | undefined) => void;
  /** What must be in place before BIRD works by this configuration. */
  readonly prepare?: (config: BirdConfig) => Promise<void>;
  /** BIRD works by this plan now. */
  readonly onApplied?: (inputs: BgpInputs) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Kinds that the plan depends on. */
const relevant: readonly KindName[] = [
  ...(["node", "ipPool", "bgpPeer", "bgpConfiguration", "bgpFilter", "service", "endpointSlice"] as const),
];

/** Each pod that comes or goes changes these, and hardly one the plan. An attachment counts: a borrowed address is announced by itself. */
const ofPods: readonly KindName[] = ["ipamBlock", "attachment"];

/**
 * Keeps BIRD's configuration in step with the snapshot, one reconfiguration at a time:
 *
 *     snapshot, secrets, services, drain ─▶ planBgp ─▶ planTransition ─▶ BirdPrinter ─▶ BirdDaemon
 *                                                        ▲         │
 *                       running values, BIRD's state ────┘         └─▶ progress on the own Node
 *
 * BIRD's state is read only when something depends on it: while sessions are to go or to change, here or on some other node.
 * As long as something is pending for it, BIRD is asked again and again.
 */
export class Bgp {
  readonly #parts: BgpParts;
  readonly #loop: Loop;
  readonly #stopped = new AbortController();
  readonly #patience: Patience;
  readonly #printer = new BirdPrinter();
  #begun = false;
  #isConfigured = false;
  #configured: BirdConfig | undefined;
  #rejected = "[]";
  #pending: readonly string[] = [];
  #written: string | undefined;
  #isPolling = false;
  #podNetworks = "";

  constructor(parts: BgpParts) {
    this.#parts = parts;
    this.#patience = new Patience(parts.clock);
    this.#loop = new Loop({
      pass: () => this.#pass(),
      sleep: (ms, signal) => parts.clock.sleep(ms, signal),
      onFailure: (error, attempt) => this.#failed(error, attempt),
      firstRetryMs: 250,
      maxRetryMs: 4_000,
    });
  }

  /** The first full list is in: BIRD may be configured. */
  begin(): void {
    const { snapshot, node } = this.#parts;
    this.#begun = true;
    this.#podNetworks = podNetworks(snapshot, node);
    this.touch();
  }

  /** Some kinds changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    // Not once for each part of the first list: what has come by then is looked at when it begins.
    if (!this.#begun) return;
    const { snapshot, node } = this.#parts;
    const isOfPods = ofPods.some((kind) => kinds.has(kind));
    const before = this.#podNetworks;
    // Which blocks count hangs on the pools too.
    if (isOfPods || kinds.has("ipPool")) this.#podNetworks = podNetworks(snapshot, node);
    const counts = [...relevant, ...sessionKinds(snapshot)].some((kind) => kinds.has(kind));
    if (counts || this.#podNetworks !== before) this.touch();
    // Whose blocks the others' are bears on a change of sessions alone, which goes on from one poll to the next.
    else if (isOfPods) this.#poll();
  }

  /** Something else that the plan depends on changed. */
  touch(): void {
    // A failed pass is told of and repeated by the loop; only a stopped loop rejects, and then nobody waits for it.
    if (this.#begun) this.#loop.request().catch(() => undefined);
  }

  /** Whether BIRD has taken a configuration of this process. */
  get isConfigured(): boolean {
    return this.#isConfigured;
  }

  /** The configuration that BIRD was given last, with what was asked for and is not in it; undefined before the first. */
  get configured(): BirdConfig | undefined {
    return this.#configured;
  }

  /** What keeps BIRD's configuration from being what is wanted, as sentences. */
  get pending(): readonly string[] {
    return this.#pending;
  }

  /** BIRD keeps what it has. Resolves when no pass runs. */
  async stop(): Promise<void> {
    this.#loop.stop();
    this.#stopped.abort();
    await this.#loop.ended();
    this.#parts.daemon.close();
  }

  async #pass(): Promise<void> {
    const { snapshot, node, running, logger } = this.#parts;
    const inputs = { ...(await this.#parts.inputs()), snapshot, node };
    const wanted = planBgp(inputs);
    if (wanted === undefined) {
      logger.warn("the Node object has no address yet: BIRD keeps its configuration");
      return;
    }
    this.#tellRejected(wanted.rejected);
    const cluster = clusterProgress(snapshot, node);
    const facts = await this.#facts(wanted, cluster);
    const transition = planTransition({ ...facts, wanted, cluster, overdue: this.#patience.overdue });
    this.#patience.keep(transition.keptForeign);
    const way = wayToApply({ ...facts, next: transition.config });
    if (way === "later") {
      this.#tellPending([...transition.pending, "restarts BIRD once it has recovered from its restart before"]);
      this.#poll();
      return;
    }
    const text = await running.offer(transition.config, this.#printer.print(transition.config));
    await this.#parts.prepare?.(transition.config);
    this.#configured = transition.config;
    await this.#apply(text, way, transition);
    this.#parts.onApplied?.(inputs);
    if (this.#isJudged(wanted, facts.running, cluster)) this.#tellProgress(transition, cluster);
    if (transition.pending.length > 0) this.#poll();
  }

  async #facts(
    wanted: BirdConfig,
    cluster: ClusterProgress,
  ): Promise<Pick<TransitionInputs, "running" | "observed" | "isRecovering">> {
    const { daemon } = this.#parts;
    const running = await this.#parts.running.read();
    const seen = this.#isJudged(wanted, running, cluster) ? await daemon.observe() : undefined;
    const observed = seen && new Map(seen.sessions.map((session) => [session.neighbor, session]));
    return { running, observed, isRecovering: seen?.isRecovering ?? false };
  }

  /** Whether sessions are to go or to change, here or elsewhere. */
  #isJudged(wanted: BirdConfig, running: BirdConfig | undefined, { own, othersKeep }: ClusterProgress): boolean {
    return own.keeps || othersKeep || needsObservation(wanted, running);
  }

  async #apply(text: string, way: WayToApply, { config, pending }: Transition): Promise<void> {
    const { daemon, running, logger } = this.#parts;
    const applied = await daemon.apply(text, way);
    // Also when BIRD does not run: whichever starts reads it.
    await running.taken();
    this.#tellPending(pending);
    if (applied === "restarting") {
      logger.info("BIRD restarts gracefully: sessions that it would close come up anew while their routes stay");
    }
    if (applied === "restarting" || applied === "not running") throw new BirdNotRunning(applied);
    this.#isConfigured = true;
    if (applied === "applied") {
      const sessions = config.families.reduce((sum, family) => sum + family.sessions.length, 0);
      const blocks = config.families.flatMap((family) => family.blackholes);
      logger.info({ sessions, blocks }, "BIRD took over a new configuration");
    }
  }

  /** Nothing is written for a change that concerns nobody else: each new node would else make every other one write. */
  #tellProgress({ progress }: Transition, { own, othersKeep }: ClusterProgress): void {
    if (!progress.keeps && !own.keeps && !othersKeep) return;
    const text = formatProgress(progress);
    if (text !== this.#written)
      this.#parts.logger.info({ progress: text }, "this node's part of the change of sessions");
    this.#written = text;
    this.#parts.writeSettled(text);
    if (progress.settled === undefined) this.#poll();
  }

  #poll(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#parts.clock.sleep(pollEveryMs, this.#stopped.signal).then(
      () => {
        this.#isPolling = false;
        this.touch();
      },
      () => undefined,
    );
  }

  #failed(error: unknown, attempt: number): void {
    const { logger } = this.#parts;
    if (!(error instanceof BirdNotRunning)) logger.error({ err: error, attempt }, "cannot configure BIRD");
    else if (attempt === 1 && error.why === "not running") {
      logger.info("BIRD does not run yet: its configuration is in place, and it is asked again");
    }
  }

  /** Each new set of rejected objects once, not at every pass. */
  #tellRejected(rejected: readonly RejectedObject[]): void {
    const text = JSON.stringify(rejected);
    if (text === this.#rejected) return;
    this.#rejected = text;
    for (const object of rejected) this.#parts.logger.warn({ object }, "cannot use this object for BGP");
  }

  #tellPending(pending: readonly string[]): void {
    const isNews =
      pending.length !== this.#pending.length || pending.some((line, index) => line !== this.#pending[index]);
    this.#pending = pending;
    if (!isNews) return;
    const { logger } = this.#parts;
    if (pending.length === 0) logger.info("BIRD's sessions are what is wanted");
    else
      logger.info(
        { pending: pending.slice(0, 10), count: pending.length },
        "not all of BIRD's sessions are what is wanted",
      );
  }
}

// --- internal ---

const pollEveryMs = 500;

/** An expected state of the world, not a fault: BIRD comes and goes on its own. */
class BirdNotRunning extends Error {
  override readonly name = "BirdNotRunning";
  readonly why: "restarting" | "not running";

  constructor(why: BirdNotRunning["why"]) {
    super(`BIRD is ${why}`);
    this.why = why;
  }
}

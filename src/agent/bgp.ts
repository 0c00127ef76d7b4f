import type { NodeName } from "../api/names.ts";
import type { KindName, Snapshot } from "../api/snapshot.ts";
import type { BirdDaemon } from "../bgp/bird/bird-daemon.ts";
import type { RejectedObject } from "../bgp/plan/bird-config.ts";
import { planBgp } from "../bgp/plan/plan-bgp.ts";
import { renderBird } from "../bgp/templates/render-bird.ts";
import type { Clock } from "../net/clock.ts";
import { Loop } from "../reconcile/loop.ts";
import type { Logger } from "./logger.ts";

export interface BgpParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly daemon: BirdDaemon;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Kinds that the plan depends on. An attachment counts: a borrowed address is announced by itself. */
const relevant: readonly KindName[] = ["node", "ipPool", "ipamBlock", "bgpPeer", "attachment"];

/** Keeps BIRD's configuration in step with the snapshot, one reconfiguration at a time. */
export class Bgp {
  readonly #parts: BgpParts;
  readonly #loop: Loop;
  #begun = false;
  #isConfigured = false;
  #rejected = "[]";

  constructor(parts: BgpParts) {
    this.#parts = parts;
    this.#loop = new Loop({
      pass: () => this.#pass(),
      sleep: (ms) => parts.clock.sleep(ms),
      onFailure: (error, attempt) => this.#failed(error, attempt),
      firstRetryMs: 250,
      maxRetryMs: 4_000,
    });
  }

  /** The first full list is in: BIRD may be configured. */
  begin(): void {
    this.#begun = true;
    this.#request();
  }

  /** Some kinds changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (this.#begun && relevant.some((kind) => kinds.has(kind))) this.#request();
  }

  /** Whether BIRD has taken a configuration of this process. */
  get isConfigured(): boolean {
    return this.#isConfigured;
  }

  /** BIRD keeps what it has. */
  stop(): void {
    this.#loop.stop();
  }

  #request(): void {
    // A failed pass is told of and repeated by the loop; only a stopped loop rejects, and then nobody waits for it.
    this.#loop.request().catch(() => undefined);
  }

  async #pass(): Promise<void> {
    const { snapshot, node, daemon, logger } = this.#parts;
    const config = planBgp({ snapshot, node, secrets: new Map(), deliverable: new Set(), isDraining: false });
    if (config === undefined) {
      logger.warn("the Node object has no InternalIP yet: BIRD keeps its configuration");
      return;
    }
    this.#tellRejected(config.rejected);
    const applied = await daemon.apply(renderBird(config));
    if (applied === "not running") throw new BirdNotRunning();
    this.#isConfigured = true;
    if (applied === "applied") {
      const sessions = config.families.reduce((sum, family) => sum + family.sessions.length, 0);
      const blocks = config.families.flatMap((family) => family.blackholes);
      logger.info({ sessions, blocks }, "BIRD took over a new configuration");
    }
  }

  #failed(error: unknown, attempt: number): void {
    const { logger } = this.#parts;
    if (!(error instanceof BirdNotRunning)) logger.error({ err: error, attempt }, "cannot configure BIRD");
    else if (attempt === 1) logger.info("BIRD does not run yet: its configuration is in place, and it is asked again");
  }

  /** Each new set of rejected objects once, not at every pass. */
  #tellRejected(rejected: readonly RejectedObject[]): void {
    const text = JSON.stringify(rejected);
    if (text === this.#rejected) return;
    this.#rejected = text;
    for (const object of rejected) this.#parts.logger.warn({ object }, "cannot use this object for BGP");
  }
}

// --- internal ---

/** An expected state of the world, not a fault: BIRD comes and goes on its own. */
class BirdNotRunning extends Error {
  override readonly name = "BirdNotRunning";
}

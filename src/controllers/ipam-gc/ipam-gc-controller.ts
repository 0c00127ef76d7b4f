import { ipamBlockKind, kubeControllersConfigurationKind } from "../../api/kinds.ts";
import { blockName } from "../../ipam/object-names.ts";
import type { Reclaimer } from "../../ipam/reclaimer.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import { type Sightings, sightAgents } from "./agent-sightings.ts";
import { type Candidate, findCandidates, holdingKey, holdingsOf, ripe } from "./candidates.ts";
import { gatherEvidence } from "./gather-evidence.ts";
import { type HeldState, HeldStore, heldMessage } from "./held-store.ts";
import { defaultLimits, type Ruling, rule } from "./interlock.ts";
import { ownersOf } from "./leftovers.ts";
import { TidyUp } from "./tidy-up.ts";
import { judge, type Verdict } from "./verdicts.ts";

/** What garbage collection works with, beside what every controller does. */
export interface IpamGcOptions extends ControllerParts {
  readonly reclaimer: Reclaimer;
  /** Asked at each pass. `leakGraceMs` undefined: no address is taken back. */
  readonly settings: () => { readonly leakGraceMs: number | undefined; readonly reconcilerMs: number };
  /** Told of the addresses that were freed, after each write. */
  readonly onFreed?: (freed: readonly Candidate[]) => void;
}

/**
 * Takes back leaked addresses, and tidies up what crashes and nodes that went leave behind:
 *
 *     snapshot ─▶ candidates ─(grace)─▶ evidence: API server, agents ─▶ verdicts ─▶ interlock ─▶ Reclaimer
 *
 * What it remembers is only for how long things have looked as they do: after a restart each grace period begins anew.
 */
export class IpamGcController implements Controller {
  readonly name = "ipam-gc";
  readonly watches = ["kubeControllersConfiguration"] as const;
  readonly #options: IpamGcOptions;
  readonly #held: HeldStore;
  readonly #tidyUp: TidyUp;
  /** What is held, in full: the list that a restart finds may be cut short. */
  #heldInFull: Ruling["held"];
  #heldCount: number | undefined;
  #candidates: readonly Candidate[] = [];
  #sightings: Sightings = new Map();
  /** What was freed without approval. */
  #freedLately: readonly { readonly atMs: number; readonly count: number }[] = [];
  /** Candidates that turned out to be alive and were told of. */
  #told: ReadonlySet<string> = new Set();

  constructor(options: IpamGcOptions) {
    this.#options = options;
    this.#held = new HeldStore(options.client);
    this.#tidyUp = new TidyUp(options);
  }

  /** What looks leaked and is not freed yet, and how many of that wait for approval; undefined before it is known. */
  get figures(): { readonly candidates: readonly Candidate[]; readonly held: number | undefined } {
    return { candidates: this.#candidates, held: this.#heldCount };
  }

  dueInMs(): number {
    const { leakGraceMs, reconcilerMs } = this.#options.settings();
    return Math.max(leastPeriodMs, Math.min(reconcilerMs, (leakGraceMs ?? Number.POSITIVE_INFINITY) / 2));
  }

  async pass(signal: AbortSignal): Promise<void> {
    // One answer for the whole pass: what was found under one grace period is not judged under another.
    const { leakGraceMs } = this.#options.settings();
    this.#look(leakGraceMs);
    await this.#collect(leakGraceMs, signal);
    this.#sightings = await this.#tidyUp.pass(this.#sightings, leakGraceMs ?? 0, signal);
  }

  #look(graceMs: number | undefined): void {
    const { snapshot, clock } = this.#options;
    const now = clock.monotonicNow();
    this.#candidates = graceMs === undefined ? [] : findCandidates(snapshot, this.#candidates, now);
    const nodes = [...this.#candidates.map(({ node }) => node), ...ownersOf(snapshot)];
    this.#sightings = sightAgents(this.#sightings, nodes, snapshot, now);
  }

  /** Without a grace period there are no candidates: what was held is let go, and stays. */
  async #collect(leakGraceMs: number | undefined, signal: AbortSignal): Promise<void> {
    const graceMs = leakGraceMs ?? Number.POSITIVE_INFINITY;
    const found = ripe(this.#candidates, graceMs, this.#options.clock.monotonicNow());
    const { evidence, sightings } = await gatherEvidence(found, this.#sightings, this.#options, signal);
    this.#sightings = sightings;
    const verdicts = judge(found, evidence, graceMs);
    this.#tellOfLiving(verdicts);
    const state = await this.#held.read(signal);
    const ruling = this.#rule(verdicts, state);
    this.#heldCount = heldCountOf(ruling, state);
    // First the reason for stopping, then the stop: should this fail, nothing is freed either.
    if (ruling.held !== undefined) await this.#hold(ruling.held, state, signal);
    await this.#free(ruling, signal);
    signal.throwIfAborted();
    if (ruling.held === undefined && state?.release !== undefined) await this.#held.clear(signal);
    if (state !== undefined && (ruling.approval === "used" || ruling.approval === "outdated")) {
      await this.#endApproval(state, ruling, signal);
    }
  }

  #rule(verdicts: readonly Verdict[], state: HeldState | undefined): Ruling {
    const { snapshot } = this.#options;
    const wanted = verdicts.filter(({ outcome }) => outcome === "free").map(({ candidate }) => candidate);
    const alive = verdicts.filter(({ outcome }) => outcome === "alive").map(({ candidate }) => candidate);
    const undecided = new Set(this.#candidates).difference(new Set([...wanted, ...alive]));
    const full = this.#heldInFull;
    return rule({
      wanted,
      undecided: [...undecided],
      total: holdingsOf(snapshot.ipamBlock.values()).length,
      freedLately: this.#countFreedLately(),
      held: full !== undefined && full.id === state?.release?.id ? full : state?.release,
      approved: state?.approved,
      limits: defaultLimits,
    });
  }

  async #hold(held: NonNullable<Ruling["held"]>, state: HeldState | undefined, signal: AbortSignal): Promise<void> {
    const { events, clock, logger } = this.#options;
    if (state === undefined) {
      throw new Error(
        "Cannot hold addresses back for approval: there is no KubeControllersConfiguration default. None is freed.",
      );
    }
    this.#heldInFull = held;
    if (state.release?.id === held.id) return;
    const message = heldMessage({ ...held, count: held.addresses.length });
    await this.#held.hold(held, new Date(clock.now()).toISOString(), signal);
    logger.error({ id: held.id, count: held.addresses.length }, message);
    events.record(configurationSubject, "Warning", "IPAMGarbageCollectionHeld", message);
  }

  /** One write a block. */
  async #free({ free, approvedCount }: Ruling, signal: AbortSignal): Promise<void> {
    const { reclaimer, clock, logger, onFreed } = this.#options;
    let approvedLeft = approvedCount;
    for (const batch of batchesOf(free)) {
      signal.throwIfAborted();
      const count = Math.max(0, batch.length - approvedLeft);
      approvedLeft -= batch.length - count;
      if (count > 0) this.#freedLately = [...this.#freedLately, { atMs: clock.monotonicNow(), count }];
      const answers = await reclaimer.releaseAddresses(
        batch.map(({ ip, handle, sequenceNumber, reason }) => ({ ip, handle, sequenceNumber, why: reason })),
        signal,
      );
      const outcomes = new Map(answers.map(({ ip, outcome }) => [ip, outcome]));
      for (const { ip, handle, pod, node, reason } of batch) {
        logger.info({ ip, handle, pod, node, reason, outcome: outcomes.get(ip) }, "took a leaked address back");
      }
      const freed = new Set(batch.filter(({ ip }) => outcomes.get(ip) === "released"));
      this.#candidates = this.#candidates.filter((one) => !freed.has(one));
      onFreed?.([...freed]);
    }
  }

  async #endApproval(state: HeldState, { approval, approvedCount }: Ruling, signal: AbortSignal): Promise<void> {
    const { events, logger } = this.#options;
    await this.#held.clearApproval(state, signal);
    const used = approval === "used";
    const message = used
      ? `${approvedCount} addresses were freed, as approval ${state.approved} said`
      : `The approval ${state.approved} names something else than what is held, and has no effect`;
    logger.info({ id: state.approved, count: approvedCount }, message);
    events.record(
      configurationSubject,
      used ? "Normal" : "Warning",
      used ? "IPAMGarbageCollectionApproved" : "IPAMApprovalOutdated",
      message,
    );
  }

  #tellOfLiving(verdicts: readonly Verdict[]): void {
    const { events, logger } = this.#options;
    const living = verdicts.filter(({ outcome }) => outcome === "alive");
    for (const { candidate, because } of living) {
      if (this.#told.has(holdingKey(candidate))) continue;
      const { ip, handle, pod, node, reason, block } = candidate;
      const facts = { ip, handle, pod, node, reason, because };
      logger.warn(facts, "an address looks leaked but is alive: it is kept");
      const message = `${ip} looks leaked (${reason}), but is kept: ${because}`;
      events.record({ kind: ipamBlockKind, name: blockName(block) }, "Warning", "IPAMAddressStillInUse", message);
    }
    this.#told = new Set(living.map(({ candidate }) => holdingKey(candidate)));
  }

  #countFreedLately(): number {
    const since = this.#options.clock.monotonicNow() - freedWindowMs;
    this.#freedLately = this.#freedLately.filter(({ atMs }) => atMs > since);
    return this.#freedLately.reduce((sum, { count }) => sum + count, 0);
  }
}

// --- internal ---

const leastPeriodMs = 1000;
const freedWindowMs = 3_600_000;
const batchSize = 256;
const configurationSubject = { kind: kubeControllersConfigurationKind, name: "default" };

/** The list that a restart finds may be cut short; its count is not. */
function heldCountOf({ held }: Ruling, state: HeldState | undefined): number {
  if (held === undefined) return 0;
  return state?.release?.id === held.id ? state.release.count : held.addresses.length;
}

/** By block, so that each is written once. */
function batchesOf(candidates: readonly Candidate[]): readonly (readonly Candidate[])[] {
  const batches: Candidate[][] = [];
  for (const ofBlock of Map.groupBy(candidates, ({ block }) => block).values()) {
    const last = batches.at(-1);
    if (last !== undefined && last.length + ofBlock.length <= batchSize) last.push(...ofBlock);
    else batches.push(ofBlock);
  }
  return batches;
}

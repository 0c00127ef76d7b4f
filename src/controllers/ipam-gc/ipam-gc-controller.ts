import { ipamBlockKind, kubeControllersConfigurationKind } from "../../api/kinds.ts";
import { blockName } from "../../ipam/object-names.ts";
import type { Reclaimer, ReleaseAnswer } from "../../ipam/reclaimer.ts";
import type { Ip } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import { type Sightings, sightAgents } from "./agent-sightings.ts";
import {
  type Candidate,
  countedOf,
  findCandidates,
  holdingKey,
  holdingsOf,
  mayBeSecondary,
  ripe,
} from "./candidates.ts";
import { FreedLately } from "./freed-lately.ts";
import { askElsewhere, gatherEvidence } from "./gather-evidence.ts";
import { type HeldState, HeldStore, heldMessage, releaseOf } from "./held-store.ts";
import { defaultLimits, type Ruling, rule } from "./interlock.ts";
import { ownersOf } from "./leftovers.ts";
import { TidyUp } from "./tidy-up.ts";
import { type Evidence, judge, type Verdict } from "./verdicts.ts";

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
 * What a process remembers is for how long things have looked as they do: with another leader each grace period begins anew.
 * What the interlock goes by is written down: it goes on.
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
  readonly #freed: FreedLately;
  /** Candidates that turned out to be alive and were told of, by `holdingKey`. One an address, so that it stays small. */
  readonly #told = new Map<Ip, string>();
  /** Candidates that are in use, as was to be expected, by `holdingKey`. */
  #secondary: ReadonlySet<string> = new Set();

  constructor(options: IpamGcOptions) {
    this.#options = options;
    this.#held = new HeldStore(options.client);
    this.#tidyUp = new TidyUp(options);
    this.#freed = new FreedLately(options.clock);
  }

  /** What looks leaked and is not freed yet, and how many of that wait for approval; undefined before it is known. */
  get figures(): { readonly candidates: readonly Candidate[]; readonly held: number | undefined } {
    const candidates = this.#candidates.filter((one) => !this.#secondary.has(holdingKey(one)));
    return { candidates, held: this.#heldCount };
  }

  dueInMs(): number {
    const { leakGraceMs, reconcilerMs } = this.#options.settings();
    return Math.max(leastPeriodMs, Math.min(reconcilerMs, (leakGraceMs ?? Number.POSITIVE_INFINITY) / 2));
  }

  async pass(signal: AbortSignal): Promise<void> {
    // One answer for the whole pass: what was found under one grace period is not judged under another.
    const { leakGraceMs } = this.#options.settings();
    this.#look(leakGraceMs);
    const works = [() => this.#collect(leakGraceMs, signal), () => this.#tidy(leakGraceMs, signal)];
    const failures: unknown[] = [];
    // Whatever keeps the one from being done is no reason to leave the other.
    for (const work of works) {
      signal.throwIfAborted();
      await work().catch((error: unknown) => failures.push(error));
    }
    signal.throwIfAborted();
    if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join("\n"));
    if (failures.length === 1) throw failures[0];
  }

  async #tidy(leakGraceMs: number | undefined, signal: AbortSignal): Promise<void> {
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
    const state = await this.#held.read(signal);
    this.#freed.learn(state?.freed ?? []);
    const { verdicts, ruling } = await this.#decide(found, evidence, { graceMs, state, signal });
    this.#tellOfLiving(verdicts, evidence);
    this.#heldCount = heldCountOf(ruling, state);
    // First the reason for stopping, then the stop; first the count, then what it counts. Should this fail, nothing is freed.
    await this.#writeDown(ruling, state, signal);
    await this.#free(ruling, signal);
    signal.throwIfAborted();
    if (ruling.held === undefined && state?.release !== undefined) {
      await this.#held.write({ release: undefined, freed: this.#freed.toWrite() }, signal);
    }
    if (state !== undefined && (ruling.approval === "used" || ruling.approval === "outdated")) {
      await this.#endApproval(state, ruling, signal);
    }
  }

  /** Other nodes are asked only when something would be freed, or held that was not before. */
  async #decide(
    found: readonly Candidate[],
    evidence: Evidence,
    { graceMs, state, signal }: { graceMs: number; state: HeldState | undefined; signal: AbortSignal },
  ): Promise<{ readonly verdicts: readonly Verdict[]; readonly ruling: Ruling }> {
    const verdicts = judge(found, evidence, graceMs);
    const ruling = this.#rule(verdicts, state);
    if (ruling.free.length === 0 && ruling.held?.id === state?.release?.id) return { verdicts, ruling };
    const inFull = await askElsewhere(withOutcome(verdicts, "free"), evidence, this.#options, signal);
    const lastVerdicts = judge(found, inFull, graceMs);
    return { verdicts: lastVerdicts, ruling: this.#rule(lastVerdicts, state) };
  }

  #rule(verdicts: readonly Verdict[], state: HeldState | undefined): Ruling {
    const { snapshot } = this.#options;
    const wanted = withOutcome(verdicts, "free");
    const alive = withOutcome(verdicts, "alive");
    const undecided = new Set(this.#candidates).difference(new Set([...wanted, ...alive]));
    const full = this.#heldInFull;
    return rule({
      wanted,
      undecided: [...undecided],
      total: countedOf(holdingsOf(snapshot.ipamBlock.values())).size,
      freedLately: this.#freed.countBeside(wanted),
      held: full !== undefined && full.id === state?.release?.id ? full : state?.release,
      approved: state?.approved,
      limits: defaultLimits,
    });
  }

  /** What is held, and how many are about to be freed without approval. */
  async #writeDown(ruling: Ruling, state: HeldState | undefined, signal: AbortSignal): Promise<void> {
    const { events, clock, logger } = this.#options;
    const { held } = ruling;
    const unapproved = ruling.free.slice(ruling.approvedCount);
    const isNew = held !== undefined && held.id !== state?.release?.id;
    this.#freed.add(unapproved);
    if (held !== undefined) this.#heldInFull = held;
    if (!isNew && (unapproved.length === 0 || this.#freed.isIn(state?.freed ?? []))) return;
    if (state === undefined) {
      throw new Error(
        "Cannot note what is freed, or held back for approval: there is no KubeControllersConfiguration default. " +
          "No address is freed.",
      );
    }
    const release = isNew ? releaseOf(held, new Date(clock.now()).toISOString()) : state.release;
    await this.#held.write({ release, freed: this.#freed.toWrite() }, signal);
    if (!isNew) return;
    const message = heldMessage({ ...held, count: held.addresses.length });
    logger.error({ id: held.id, count: held.addresses.length }, message);
    events.record(configurationSubject, "Warning", "IPAMGarbageCollectionHeld", message);
  }

  /** One write a block. */
  async #free({ free }: Ruling, signal: AbortSignal): Promise<void> {
    const byIp = new Map(free.map((one) => [one.ip, one]));
    for (const batch of batchesOf(free)) {
      signal.throwIfAborted();
      await this.#options.reclaimer.releaseAddresses(
        batch.map(({ ip, handle, sequenceNumber, reason }) => ({ ip, handle, sequenceNumber, why: reason })),
        signal,
        (answers) => this.#take(answers, byIp),
      );
    }
  }

  #take(answers: readonly ReleaseAnswer[], byIp: ReadonlyMap<Ip, Candidate>): void {
    const { logger, onFreed } = this.#options;
    const freed = new Set<Candidate>();
    for (const { ip, outcome } of answers) {
      const { handle, pod, node, reason } = byIp.get(ip) ?? {};
      const deed = outcome === "released" ? "took a leaked address back" : "left an address that is not as it was seen";
      logger.info({ ip, handle, pod, node, reason, outcome }, deed);
      const candidate = outcome === "released" ? byIp.get(ip) : undefined;
      if (candidate !== undefined) freed.add(candidate);
    }
    this.#candidates = this.#candidates.filter((one) => !freed.has(one));
    onFreed?.([...freed]);
  }

  async #endApproval(state: HeldState, { approval, approvedCount }: Ruling, signal: AbortSignal): Promise<void> {
    const { events, logger } = this.#options;
    await this.#held.clearApproval(state.approved, signal);
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

  /** Once an address as long as this process leads; and not at all of what only the pod's status does not know. */
  #tellOfLiving(verdicts: readonly Verdict[], { pods }: Evidence): void {
    const { events, logger } = this.#options;
    const living = verdicts.filter(({ outcome }) => outcome === "alive");
    const isSecondary = ({ candidate }: Verdict) =>
      candidate.pod !== undefined && mayBeSecondary(candidate, pods.get(candidate.pod));
    this.#secondary = new Set(living.filter(isSecondary).map(({ candidate }) => holdingKey(candidate)));
    for (const { candidate, because } of living) {
      const key = holdingKey(candidate);
      const { ip, handle, pod, node, reason, block } = candidate;
      if (this.#secondary.has(key) || this.#told.get(ip) === key) continue;
      this.#told.set(ip, key);
      const facts = { ip, handle, pod, node, reason, because };
      logger.warn(facts, "an address looks leaked but is alive: it is kept");
      const message = `${ip} looks leaked (${reason}), but is kept: ${because}`;
      events.record({ kind: ipamBlockKind, name: blockName(block) }, "Warning", "IPAMAddressStillInUse", message);
    }
  }
}

// --- internal ---

const leastPeriodMs = 1000;
const batchSize = 256;
const configurationSubject = { kind: kubeControllersConfigurationKind, name: "default" };

function withOutcome(verdicts: readonly Verdict[], wanted: Verdict["outcome"]): readonly Candidate[] {
  return verdicts.flatMap(({ candidate, outcome }) => (outcome === wanted ? [candidate] : []));
}

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

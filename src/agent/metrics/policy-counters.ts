import { Counter, type Registry } from "prom-client";
import type { RuleCounter, RuleCounterSource } from "../../felix/dataplane/rule-counters.ts";
import type { DesiredState } from "../../felix/render/desired-state.ts";
import type { Clock } from "../../net/clock.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Logger } from "../logger.ts";
import { countedRules, type VerdictMarks } from "./counted-rules.ts";
import { TopTotals, type TotalSeries, type Traffic } from "./top-totals.ts";

export interface PolicyCountersParts {
  /**
   * So many policies have series of their own, those with the most traffic, and a quarter as many have one for each rule; the
   * others are summed.
   */
  readonly mostPolicies: number;
  /** Of the backend in use. */
  readonly source: () => RuleCounterSource;
  /** What the kernel has acknowledged last. */
  readonly inForce: () => DesiredState | undefined;
  /** Those that rules in force are made with; undefined before there are any. */
  readonly marks: () => VerdictMarks | undefined;
  readonly clock: Pick<Clock, "monotonicNow">;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Packets and bytes by policy and by rule, as the kernel counts them, read when somebody asks for metrics and at most every ten
 * seconds. The kernel's counters begin anew with each rule that is written anew: the totals here go on. What a rule has seen
 * between the last reading and its end is lost. A reading that fails is told in the log, and the totals stand.
 */
export class PolicyCounters {
  readonly #parts: PolicyCountersParts;
  readonly #byAction: TopTotals;
  readonly #byRule: TopTotals;
  #last: ReadonlyMap<string, Traffic> = new Map();
  #readAt: number | undefined;
  #reading: Promise<void> | undefined;

  constructor(registry: Registry, parts: PolicyCountersParts) {
    this.#parts = parts;
    this.#byAction = new TopTotals(parts.mostPolicies);
    this.#byRule = new TopTotals(Math.ceil(parts.mostPolicies / 4));
    const policies = { prefix: "margay_policy", of: "the policy", label: "action", totals: this.#byAction };
    this.#register(registry, { ...policies, labels: ["policy", "direction", "action"] });
    const rules = { prefix: "margay_policy_rule", of: "the rule", label: "rule", totals: this.#byRule };
    this.#register(registry, { ...rules, labels: ["policy", "direction", "rule"] });
  }

  /** Asks the kernel, unless that has just been done. */
  refresh(): Promise<void> {
    const now = this.#parts.clock.monotonicNow();
    const isFresh = this.#readAt !== undefined && now - this.#readAt < freshMs;
    if (this.#reading === undefined && !isFresh) {
      this.#readAt = now;
      this.#reading = this.#read()
        .catch((err: unknown) => this.#parts.logger.warn({ err }, "cannot read how much traffic policies have decided"))
        .finally(() => {
          this.#reading = undefined;
        });
    }
    return this.#reading ?? Promise.resolve();
  }

  async #read(): Promise<void> {
    const { source, inForce, marks } = this.#parts;
    const [kernel, before] = [source(), inForce()];
    const bits = marks();
    if (before === undefined || bits === undefined) return;
    const versions: readonly IpVersion[] = [...new Set([...before.tables.values()].map(({ version }) => version))];
    const counters = await kernel.read(versions);
    // What was written meanwhile counts too.
    this.#take(counters, countedRules(inForce() ?? before, kernel, bits));
  }

  #take(counters: readonly RuleCounter[], counted: ReturnType<typeof countedRules>): void {
    const last = new Map<string, Traffic>();
    const grown: (readonly [string, Traffic])[] = [];
    for (const counter of counters) {
      const key = `${counter.place} ${counter.instance}`;
      const known = this.#last.get(key);
      if (counted.has(counter.place)) {
        last.set(key, counter);
        grown.push([counter.place, growth(counter, known)]);
      }
      // A pass is under way: who it is of will be known.
      else if (known !== undefined) last.set(key, known);
    }
    this.#last = last;
    const inUse = new Set([...counted.values()].map(({ policy }) => policy));
    const packets = new Map<string, number>();
    for (const [place, traffic] of grown) {
      const policy = counted.get(place)?.policy ?? "";
      packets.set(policy, (packets.get(policy) ?? 0) + traffic.packets);
    }
    for (const totals of [this.#byAction, this.#byRule]) totals.choose(inUse, packets);
    for (const [place, traffic] of grown) {
      const one = counted.get(place);
      if (one === undefined) continue;
      this.#byAction.add(one, one.action, traffic);
      if (one.rule === undefined) continue;
      this.#byRule.add(
        one,
        this.#byRule.isNamed(one.policy) && Number(one.rule) < mostRules ? one.rule : "other",
        traffic,
      );
    }
  }

  #register(registry: Registry, { prefix, of, labels, label, totals }: Registered): void {
    for (const unit of ["packets", "bytes"] as const) {
      const refresh = () => this.refresh();
      const help = `The ${unit} that ${of} has decided on, as the kernel counts; policy "other": all with less traffic.`;
      const counter = new Counter({
        ...{ name: `${prefix}_${unit}_total`, help, labelNames: labels, registers: [registry] },
        async collect() {
          await refresh();
          counter.reset();
          for (const one of totals.series()) counter.inc(labelsOf(one, label), one[unit]);
        },
      });
    }
  }
}

// --- internal ---

interface Registered {
  readonly prefix: string;
  readonly of: string;
  readonly labels: readonly string[];
  /** What the series' own label is called. */
  readonly label: string;
  readonly totals: TopTotals;
}

const freshMs = 10_000;
/** Of one policy in one direction; those behind are summed. */
const mostRules = 20;

function labelsOf({ policy, direction, label }: TotalSeries, name: string) {
  return { policy, direction, [name]: label };
}

/** A counter that has gone back belongs to a rule that was written anew. */
function growth({ packets, bytes }: Traffic, before: Traffic | undefined): Traffic {
  if (before === undefined || packets < before.packets || bytes < before.bytes) return { packets, bytes };
  return { packets: packets - before.packets, bytes: bytes - before.bytes };
}

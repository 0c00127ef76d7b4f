import type { PolicyId } from "../calc/plan.ts";
import type { Rule, VerdictMap } from "./desired-state.ts";
import { groupRules } from "./group-rules.ts";
import type { Layout, Policies, Step } from "./layouts.ts";
import { changedKeys } from "./map-difference.ts";
import { type Direction, policyChain } from "./names.ts";
import type { Family } from "./options.ts";
import { policyChainOf } from "./policy-chains.ts";
import { stepChain } from "./stage-rules.ts";

/** Chains by name. */
export type Chains = ReadonlyMap<string, readonly Rule[]>;

/** Maps by name. */
export type Maps = ReadonlyMap<string, VerdictMap>;

/** An endpoint's chain; `asks` is which policies it jumps to. The same rules ask the same. */
export interface JudgingChain {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly asks?: { readonly layout: Layout; readonly direction: Direction };
}

/** What the chains of a table are made of. */
export interface TableParts {
  readonly judging: readonly JudgingChain[];
  /** All else, in parts; no two have one name. */
  readonly others: readonly Chains[];
}

/**
 * The chains of one table for one plan after the other: those that it is given, and of groups and policies those that these use,
 * directly or not, and no other. A step costs what has changed, and a copy of the map.
 */
export class TableChains {
  readonly #family: Family;
  /** How many of those that are judged by use it. */
  readonly #groups = new Map<string, { readonly group: Group; readonly direction: Direction; users: number }>();
  readonly #policyUsers: Readonly<Record<Direction, Map<PolicyId, number>>> = { ingress: new Map(), egress: new Map() };
  #others: readonly Chains[] = [];
  #judged: readonly JudgingChain[] = [];
  #policies: Policies = new Map();
  #all: Chains = new Map();
  /** What is to be looked at in this step. */
  #changes = new Map<string, readonly Rule[] | undefined>();
  readonly #touchedGroups = new Set<string>();
  readonly #touched: Readonly<Record<Direction, Set<PolicyId>>> = { ingress: new Set(), egress: new Set() };

  constructor(family: Family) {
    this.#family = family;
  }

  /** Those of the next plan; the same map while all of them are the same. Where it throws, this one cannot be used again. */
  next({ judging, others }: TableParts, policies: Policies): Chains {
    this.#changes = new Map();
    this.#takeOthers(others);
    this.#takeJudging(judging);
    this.#takeGroups();
    this.#takePolicies(policies);
    const changes = [...this.#changes].filter(([name, rules]) => this.#all.get(name) !== rules);
    if (changes.length === 0) return this.#all;
    const all = new Map(this.#all);
    for (const [name, rules] of changes) {
      if (rules === undefined) all.delete(name);
      else all.set(name, rules);
    }
    this.#all = all;
    return all;
  }

  #takeOthers(others: readonly Chains[]): void {
    for (let index = 0; index < Math.max(others.length, this.#others.length); index++) {
      const after = others[index] ?? noChains;
      for (const name of changedKeys(this.#others[index] ?? noChains, after)) this.#changes.set(name, after.get(name));
    }
    this.#others = others;
  }

  #takeJudging(judging: readonly JudgingChain[]): void {
    const { before, after } = differentPart(this.#judged, judging);
    this.#judged = judging;
    const left = new Map(before.map((one) => [one.name, one]));
    for (const one of after) {
      const earlier = left.get(one.name);
      left.delete(one.name);
      if (earlier?.rules === one.rules) continue;
      this.#changes.set(one.name, one.rules);
      // First the new ones, so that what both use stays as it is.
      this.#use(one.asks, 1);
      this.#use(earlier?.asks, -1);
    }
    for (const [name, { asks }] of left) {
      this.#changes.set(name, undefined);
      this.#use(asks, -1);
    }
  }

  #use(asks: JudgingChain["asks"], by: 1 | -1): void {
    if (asks === undefined) return;
    const { layout, direction } = asks;
    const users = this.#policyUsers[direction];
    for (const step of layout.tiers.flatMap(({ steps }) => steps)) {
      if (step.kind === "group") this.#useGroup(step, direction, by);
      for (const id of step.kind === "group" ? step.policies : [step.policy]) {
        const now = (users.get(id) ?? 0) + by;
        if (now === 0) users.delete(id);
        else users.set(id, now);
        if (now === 0 || now === by) this.#touched[direction].add(id);
      }
    }
  }

  /** Endpoints share it: the first one's stays while others come. */
  #useGroup(group: Group, direction: Direction, by: 1 | -1): void {
    const name = stepChain(group, direction);
    const known = this.#groups.get(name) ?? { group, direction, users: 0 };
    known.users += by;
    if (known.users === 0) this.#groups.delete(name);
    else this.#groups.set(name, known);
    this.#touchedGroups.add(name);
  }

  #takeGroups(): void {
    for (const name of this.#touchedGroups) {
      const known = this.#groups.get(name);
      this.#changes.set(name, known && groupRules[known.direction](known.group, this.#family));
    }
    this.#touchedGroups.clear();
  }

  #takePolicies(policies: Policies): void {
    const changed = changedKeys(this.#policies, policies);
    this.#policies = policies;
    for (const direction of ["ingress", "egress"] as const) {
      const touched = this.#touched[direction];
      for (const id of changed) touched.add(id);
      for (const id of touched) {
        const policy = this.#policyUsers[direction].has(id) ? policies.get(id) : undefined;
        if (policy !== undefined) this.#changes.set(...policyChainOf(policy, direction, this.#family));
        else this.#changes.set(policyChain(direction, id), undefined);
      }
      touched.clear();
    }
  }
}

// --- internal ---

type Group = Extract<Step, { kind: "group" }>;

/** Without what they begin with alike and what they end with alike, which is most of them. */
function differentPart<T>(before: readonly T[], after: readonly T[]): { before: readonly T[]; after: readonly T[] } {
  const shorter = Math.min(before.length, after.length);
  let first = 0;
  while (first < shorter && before[first] === after[first]) first++;
  let last = 0;
  while (last < shorter - first && before.at(-1 - last) === after.at(-1 - last)) last++;
  return { before: before.slice(first, before.length - last), after: after.slice(first, after.length - last) };
}

const noChains: Chains = new Map();

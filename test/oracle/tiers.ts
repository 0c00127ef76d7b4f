/** Tiers: the first policy that allows or denies decides; what passes, or nobody in a tier decides, goes on as the tier says. */
import type { Snapshot } from "../../src/api/snapshot.ts";
import type { JudgedPolicy } from "./judged-policy.ts";
import type { Seen, Selectable } from "./parties.ts";

/** What was decided, and by whom. `none`: nobody did. */
export interface Decision {
  readonly verdict: "allow" | "deny" | "none";
  readonly why: string;
}

/** What asks: an endpoint, in one direction, at one stage. */
export interface Asking {
  readonly endpoint: Selectable;
  readonly direction: "ingress" | "egress";
  /** `forward`: a host endpoint's policies with applyOnForward. */
  readonly stage: "normal" | "untracked" | "preDnat" | "forward";
}

/** The decision of the tiers alone; `none` when a profile has to decide, or what comes next. */
export function decide(snapshot: Snapshot, policies: readonly JudgedPolicy[], asking: Asking, seen: Seen): Decision {
  const mine = policies.filter((policy) => concerns(policy, asking));
  for (const tier of tiersInOrder(snapshot, mine)) {
    const ofTier = mine.filter((policy) => policy.tier === tier.name).sort(inOrder);
    const decision = decideInTier(ofTier, asking.direction, seen);
    if (decision === "pass") continue;
    if (decision !== undefined) return decision;
    const hasEnd = asking.stage === "normal" || asking.stage === "forward";
    if (hasEnd && tier.defaultAction === "Deny") return { verdict: "deny", why: `end of tier ${tier.name}` };
  }
  return { verdict: "none", why: mine.length === 0 ? "no policy" : "every tier has passed it" };
}

/** Whether the endpoint has any policy there. */
export function hasPolicies(policies: readonly JudgedPolicy[], asking: Asking): boolean {
  return policies.some((policy) => concerns(policy, asking));
}

// --- internal ---

function concerns(policy: JudgedPolicy, { endpoint, direction, stage }: Asking): boolean {
  const atStage = stage === "forward" ? policy.stage === "normal" && policy.applyOnForward : policy.stage === stage;
  return atStage && policy[direction] !== "not about it" && policy.appliesTo(endpoint);
}

interface TierInOrder {
  readonly name: string;
  readonly order: number;
  readonly defaultAction: "Deny" | "Pass";
}

/** They are there whether anybody has made them or not, and always like this. */
const builtIn: readonly TierInOrder[] = [
  { name: "kube-admin", order: 1_000, defaultAction: "Pass" },
  { name: "default", order: 1_000_000, defaultAction: "Deny" },
  { name: "kube-baseline", order: 10_000_000, defaultAction: "Pass" },
];

/** By order, then by name; those that policies name and nobody has made come last. */
function tiersInOrder(snapshot: Snapshot, policies: readonly JudgedPolicy[]): readonly TierInOrder[] {
  const made = [...snapshot.tier].map(([name, { spec }]): TierInOrder => {
    return { name, order: spec.order ?? Number.POSITIVE_INFINITY, defaultAction: spec.defaultAction };
  });
  const known = [...builtIn, ...made.filter(({ name }) => !builtIn.some((one) => one.name === name))];
  const named = [...new Set(policies.map(({ tier }) => tier))];
  const missing = named.filter((tier) => !known.some(({ name }) => name === tier)).sort();
  return [
    ...known.sort((a, b) => compare(a.order, b.order) || compare(a.name, b.name)),
    ...missing.map((name): TierInOrder => ({ name, order: Number.POSITIVE_INFINITY, defaultAction: "Deny" })),
  ].filter(({ name }) => named.includes(name));
}

function decideInTier(
  policies: readonly JudgedPolicy[],
  direction: Asking["direction"],
  seen: Seen,
): Decision | "pass" | undefined {
  for (const policy of policies) {
    const rules = policy[direction];
    if (rules === "not about it") continue;
    for (const [index, rule] of rules.entries()) {
      if (rule.action === "log" || !rule.matches(seen)) continue;
      if (rule.action === "pass") return "pass";
      return { verdict: rule.action, why: `${policy.title}, ${direction} rule ${index}` };
    }
  }
  return undefined;
}

function inOrder(a: JudgedPolicy, b: JudgedPolicy): number {
  return compare(a.order, b.order) || compare(a.sortName, b.sortName);
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

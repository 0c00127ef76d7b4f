/** How the policies of one endpoint are asked: which of them one by one, and which together. */
import type { DirectionPlan, PolicyId, PolicyPlan, TierPlan } from "../calc/plan.ts";
import { changedKeys } from "./map-difference.ts";

/** One direction of one endpoint. */
export interface Layout {
  readonly profile: DirectionPlan["profile"];
  readonly tiers: readonly TierLayout[];
}

/** One tier of it. */
export interface TierLayout {
  readonly name: string;
  readonly endAction: TierPlan["endAction"];
  readonly steps: readonly Step[];
}

/** What the endpoint's chain jumps to: one policy, or a group, with all that makes it this group in its `identity`. */
export type Step =
  | { readonly kind: "policy" | "staged"; readonly policy: PolicyId }
  | { readonly kind: "group"; readonly identity: string; readonly policies: readonly PolicyId[] };

/** All policies there are, by id. */
export type Policies = ReadonlyMap<PolicyId, PolicyPlan>;

/**
 * The layouts of `owner`'s directions, in order; the same objects as the last time when they say the same. Consecutive policies
 * of one selector become a group: an endpoint that has one of them has them all, so that endpoints share its chain.
 * Throws when a tier names a policy that is not there.
 */
export function layoutsOf(owner: object, plans: readonly DirectionPlan[], policies: Policies): readonly Layout[] {
  const standing = standingOf(policies);
  const known = knownLayouts.get(owner);
  const isOfPlans = known !== undefined && samePlans(known.plans, plans);
  if (isOfPlans && known.standing === standing) return known.layouts;
  const found = plans.map((plan) => plan.tiers.map((tier) => tier.policies.map((id) => policyOf(id, tier, policies))));
  const isKnown = isOfPlans && sameOrder(known.found, found);
  const layouts = isKnown ? known.layouts : plans.map((plan, index) => layoutOf(plan, found[index] ?? []));
  knownLayouts.set(owner, { standing, plans, found, layouts });
  return layouts;
}

// --- internal ---

/** By direction, by tier. */
type Found = readonly (readonly (readonly PolicyPlan[])[])[];

interface KnownLayouts {
  readonly standing: Standing;
  readonly plans: readonly DirectionPlan[];
  readonly found: Found;
  readonly layouts: readonly Layout[];
}

const knownLayouts = new WeakMap<object, KnownLayouts>();

/** Stands for what layouts are made of besides plans: the same object while no policy that was there has left its groups. */
type Standing = { readonly standing: "of policies" };

let last: { readonly policies: Policies; readonly standing: Standing } | undefined;

/** Most changes of policies are of their rules, or new ones, and leave every endpoint's layout as it is. */
function standingOf(policies: Policies): Standing {
  if (last?.policies === policies) return last.standing;
  const earlier = last?.policies ?? policies;
  const isMoved = (id: PolicyId) => {
    const before = earlier.get(id);
    const now = policies.get(id);
    return before !== undefined && (now === undefined || !sameStanding(before, now));
  };
  const isSame = !changedKeys(earlier, policies).some(isMoved);
  const standing: Standing = last !== undefined && isSame ? last.standing : { standing: "of policies" };
  last = { policies, standing };
  return standing;
}

function policyOf(id: PolicyId, tier: TierPlan, policies: Policies): PolicyPlan {
  const policy = policies.get(id);
  if (policy === undefined) throw new Error(`Cannot render the tier ${tier.name}: its policy ${id} is not in the plan`);
  return policy;
}

function samePlans(a: readonly DirectionPlan[], b: readonly DirectionPlan[]): boolean {
  return a.length === b.length && a.every((plan, index) => plan === b[index]);
}

/** The plans are the same, so the policies have the same ids. */
function sameOrder(a: Found, b: Found): boolean {
  return a.every((tiers, i) => tiers.every((all, j) => all.every((policy, k) => sameStanding(policy, b[i]?.[j]?.[k]))));
}

/** Whether they stand in the same groups. */
function sameStanding(a: PolicyPlan, b: PolicyPlan | undefined): boolean {
  return a === b || (a.selector === b?.selector && a.staged === b.staged);
}

function layoutOf({ tiers, profile }: DirectionPlan, found: readonly (readonly PolicyPlan[])[]): Layout {
  const laidOut = tiers.map(({ name, endAction }, index) => ({ name, endAction, steps: stepsOf(found[index] ?? []) }));
  return { profile, tiers: laidOut };
}

function stepsOf(policies: readonly PolicyPlan[]): readonly Step[] {
  const runs: PolicyPlan[][] = [];
  for (const policy of policies) {
    const last = runs.at(-1);
    const before = last?.at(-1);
    const isNext = before !== undefined && !before.staged && !policy.staged && before.selector === policy.selector;
    if (isNext) last?.push(policy);
    else runs.push([policy]);
  }
  return runs.map(stepOf);
}

function stepOf(run: readonly PolicyPlan[]): Step {
  const [only, ...more] = run;
  if (only !== undefined && more.length === 0) return { kind: only.staged ? "staged" : "policy", policy: only.id };
  const policies = run.map(({ id }) => id);
  return { kind: "group", identity: policies.join("\n"), policies };
}

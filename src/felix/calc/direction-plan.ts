import type { CompiledPolicy } from "./compiled-policy.ts";
import type { BothDirections, DirectionPlan, TierPlan } from "./plan.ts";
import type { TierTable } from "./tier-table.ts";

/** What stands behind the last policy. */
export interface DirectionEnd {
  /** Whether a tier that decided nothing may drop. */
  readonly dropsAtEndOfTier: boolean;
  readonly profile: DirectionPlan["profile"];
}

/** One direction's policies, in the order in which they are applied, as tiers. A tier without policies is not there. */
export function directionPlan(
  policies: readonly CompiledPolicy[],
  tiers: TierTable,
  { dropsAtEndOfTier, profile }: DirectionEnd,
): DirectionPlan {
  const plans: TierPlan[] = [];
  for (const [name, members] of byTier(policies)) {
    const enforced = members.some(({ plan }) => !plan.staged);
    const endAction = dropsAtEndOfTier && enforced ? tiers.endAction(name) : "pass";
    plans.push({ name, policies: members.map(({ plan }) => plan.id), endAction });
  }
  return { tiers: plans, profile };
}

/** The same in both directions, each with the policies that are about it. */
export function bothDirections(
  policies: readonly CompiledPolicy[],
  tiers: TierTable,
  end: DirectionEnd,
): BothDirections {
  const of = (direction: "ingress" | "egress") =>
    directionPlan(
      policies.filter(({ applies }) => applies[direction]),
      tiers,
      end,
    );
  return { ingress: of("ingress"), egress: of("egress") };
}

/** No policy has a say. */
export function noPolicies(profile: DirectionPlan["profile"]): DirectionPlan {
  return { tiers: [], profile };
}

// --- internal ---

function byTier(policies: readonly CompiledPolicy[]): ReadonlyMap<string, readonly CompiledPolicy[]> {
  const tiers = new Map<string, CompiledPolicy[]>();
  for (const policy of policies) {
    const members = tiers.get(policy.tier);
    if (members === undefined) tiers.set(policy.tier, [policy]);
    else members.push(policy);
  }
  return tiers;
}

/** No policy may keep the others of its node out of the kernel by its size. */
import { compareText } from "../../net/compare-text.ts";
import type { NodePlan, PolicyId, PolicyPlan, RulePlan, SetId, SetPlan } from "./plan.ts";
import { costOf } from "./policy-cost.ts";

/** What the policies of one node may cost together. */
export interface PlanBudget {
  /** Rules of policies, of both families. */
  readonly lines: number;
  /** Sets of both families count once. */
  readonly sets: number;
}

/**
 * 200,000 rules: iptables-restore took 1.6 s for as many in one table (legacy; 4 s for nft) on two cores, and every pod waits for it.
 * 16,000 sets: the kernel numbers at most 65,534 (`IPSET_INVALID_ID`), of which each takes two, one a family, and while one
 * plan follows another the sets of both are there.
 */
export const nodeBudget: PlanBudget = { lines: 200_000, sets: 16_000 };

/**
 * The plan that the kernel can take: the same object when it is within the budget. Otherwise the costliest policies are closed, one
 * after the other, until the rest is: each stays where it stands, denies everything in the directions in which it has rules, and
 * says so in its `problems`. A Kubernetes NetworkPolicy then allows nothing, and a staged one counts nothing. Sets that are
 * named no more are left out.
 *
 * Which ones depends on the plan's policies alone. What says the same as in the last result is the same object, up to the plan itself.
 */
export function withinBudget(plan: NodePlan, budget: PlanBudget = nodeBudget): NodePlan {
  const { policies } = plan;
  let last = known.get(policies);
  if (last?.budget !== budget) {
    last = { budget, kept: closedToFit(policies, budget) };
    known.set(policies, last);
  }
  if (last.kept === undefined) return plan;
  const { kept } = last;
  const sets = keptSets(plan.sets, kept.sets, last.result?.sets);
  const next: NodePlan = { ...plan, policies: kept.policies, sets };
  const { result } = last;
  const isUnchanged = Object.entries(next).every(([part, value]) => result?.[part as keyof NodePlan] === value);
  if (result === undefined || !isUnchanged) last.result = next;
  return last.result ?? next;
}

/** Whether `withinBudget` has made it in place of a policy that was too large. */
export function isClosed(policy: PolicyPlan): boolean {
  return closed.has(policy);
}

// --- internal ---

type Policies = NodePlan["policies"];

/** What is left: the policies, some of them closed, and the names of the sets that they name. */
interface Kept {
  readonly policies: Policies;
  readonly sets: ReadonlySet<SetId>;
}

/** A plan's map of policies is another one whenever one of them has changed. */
const known = new WeakMap<
  Policies,
  { readonly budget: PlanBudget; readonly kept: Kept | undefined; result?: NodePlan }
>();

/** Undefined when they fit as they are. */
function closedToFit(policies: Policies, budget: PlanBudget): Kept | undefined {
  const use = new Use(policies);
  if (use.lines <= budget.lines && use.sets.size <= budget.sets) return undefined;
  closeWhile(use, linesOf, (policy) => {
    if (use.lines <= budget.lines) return undefined;
    return `It needs up to ${linesOf(policy)} rules in the kernel, and all policies of a node together can have ${budget.lines}: ${lineAdvice}`;
  });
  // All that it names, not what it alone names: else two that name the same sets would be spared for others.
  closeWhile(use, setsOf, (policy) => {
    if (use.sets.size <= budget.sets) return undefined;
    return `Its rules name ${setsOf(policy)} sets, and all policies of a node together can name ${budget.sets}: ${setAdvice}`;
  });
  return { policies: use.policies, sets: new Set(use.sets.keys()) };
}

const lineAdvice = "give it fewer networks, ports and rules, or put its networks into a NetworkSet that it selects";
const setAdvice = "give its rules fewer different selectors, named ports and Services";

const linesOf = (policy: PolicyPlan) => costOf(policy).lines;
const setsOf = (policy: PolicyPlan) => costOf(policy).sets.size;

/** Closes the costliest ones while there is a problem; those that would be none the cheaper stay. */
function closeWhile(
  use: Use,
  cost: (policy: PolicyPlan) => number,
  problemOf: (policy: PolicyPlan) => string | undefined,
): void {
  const costliest = [...use.policies.values()].sort((a, b) => cost(b) - cost(a) || compareText(a.id, b.id));
  for (const policy of costliest) {
    const problem = problemOf(policy);
    if (problem === undefined) return;
    const instead = closedFor(policy, problem);
    if (cost(instead) < cost(policy)) use.replace(policy, instead);
  }
}

/** What policies cost together, while some of them are closed. */
class Use {
  lines = 0;
  /** By how many policies each is named. */
  readonly sets = new Map<SetId, number>();
  readonly policies: Map<PolicyId, PolicyPlan>;

  constructor(policies: Policies) {
    this.policies = new Map(policies);
    for (const policy of policies.values()) this.#count(policy, 1);
  }

  /** The order of the policies stays. */
  replace(policy: PolicyPlan, instead: PolicyPlan): void {
    this.#count(policy, -1);
    this.#count(instead, 1);
    this.policies.set(policy.id, instead);
  }

  #count(policy: PolicyPlan, by: 1 | -1): void {
    const { lines, sets } = costOf(policy);
    this.lines += by * lines;
    for (const id of sets) {
      const users = (this.sets.get(id) ?? 0) + by;
      if (users > 0) this.sets.set(id, users);
      else this.sets.delete(id);
    }
  }
}

const closed = new WeakSet<PolicyPlan>();
const closedBySource = new WeakMap<PolicyPlan, { readonly problem: string; readonly plan: PolicyPlan }>();

function closedFor(policy: PolicyPlan, problem: string): PolicyPlan {
  const last = closedBySource.get(policy);
  if (last?.problem === problem) return last.plan;
  const { consequence, rules } = insteadOf(policy);
  const inDirection = (written: readonly RulePlan[]) => (written.length === 0 ? [] : rules);
  const plan: PolicyPlan = {
    ...policy,
    ingress: inDirection(policy.ingress),
    egress: inDirection(policy.egress),
    problems: [...policy.problems, `${consequence}, as it is too large. ${problem}`],
  };
  closedBySource.set(policy, { problem, plan });
  closed.add(plan);
  return plan;
}

function insteadOf({ id, staged }: PolicyPlan): { readonly consequence: string; readonly rules: readonly RulePlan[] } {
  if (staged) return { consequence: "It counts nothing", rules: [] };
  // It can but allow, beside others that do.
  if (id.startsWith("knp/")) return { consequence: "It allows nothing", rules: [] };
  return { consequence: "It denies everything", rules: denyAll };
}

const denyAll: readonly RulePlan[] = [{ action: "deny", origin: 0, source: {}, destination: {} }];

/** Those of these names; `before` itself when it holds just them. */
function keptSets(
  sets: NodePlan["sets"],
  names: ReadonlySet<SetId>,
  before: NodePlan["sets"] | undefined,
): NodePlan["sets"] {
  const kept = new Map<SetId, SetPlan>([...sets].filter(([id]) => names.has(id)));
  const isUnchanged = before?.size === kept.size && [...kept].every(([id, set]) => before.get(id) === set);
  return isUnchanged ? before : kept;
}

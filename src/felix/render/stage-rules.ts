import type { DirectionPlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import type { Layout, Step, TierLayout } from "./layouts.ts";
import { type Marks, markClear, markSet, setMark } from "./marks.ts";
import { type Direction, groupChain, policyChain } from "./names.ts";
import { remember, rememberPair } from "./remember.ts";

/** What the chains of one kind have in common; pass the same object each time. */
export interface Stage {
  readonly direction: Direction;
  /**
   * What becomes of a packet of a known connection: `accept` where nothing else of ours follows; `return` to what follows;
   * `mark` returns with the accept bit. `untracked`: packets have no connection here, and what is allowed is to get none.
   */
  readonly known: "accept" | "return" | "mark" | "untracked";
  /** Whether a packet of no connection, though it should be of one, goes on. */
  readonly allowInvalid: boolean;
  /** What becomes of what is not allowed. */
  readonly deny: "drop" | "reject";
  /** What comes before any policy, behind known connections. */
  readonly first: readonly Rule[];
  readonly marks: Marks;
}

/** One endpoint's chain: it returns with the accept bit for what is allowed, denies what is not, and else returns without. */
export const stageRules = rememberPair((layout: Layout, stage: Stage): readonly Rule[] => [
  ...connectionRules(stage),
  ...stage.first,
  // On its way to a second local endpoint a packet bears the first one's verdict.
  setMark([], 0, stage.marks.accept),
  ...layout.tiers.flatMap((tier) => tierRules(tier, stage)),
  ...profileRules(layout.profile, stage),
]);

/** The chain that a step jumps to. */
export function stepChain(step: Step, direction: Direction): string {
  return chainNames[direction](step);
}

// --- internal ---

const chainNames = { ingress: remember(chainNameIn("ingress")), egress: remember(chainNameIn("egress")) };

function chainNameIn(direction: Direction): (step: Step) => string {
  return (step) => (step.kind === "group" ? groupChain(direction, step.identity) : policyChain(direction, step.policy));
}

function connectionRules({ known, allowInvalid, deny, marks }: Stage): readonly Rule[] {
  if (known === "untracked") return [];
  const isKnown = [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] } as const];
  return [
    ...(known === "mark" ? [setMark(isKnown, marks.accept, marks.accept)] : []),
    { matches: isKnown, action: { kind: known === "accept" ? "accept" : "return" } },
    ...(allowInvalid ? [] : [{ matches: isInvalid, action: { kind: deny } }]),
  ];
}

const isInvalid = [{ kind: "connection", states: ["INVALID"] } as const];

function tierRules(tier: TierLayout, stage: Stage): readonly Rule[] {
  const { marks, deny } = stage;
  const end: Rule = {
    matches: [markClear(marks.pass)],
    action: { kind: deny },
    comment: `End of tier ${tier.name}. ${denyWords[deny]} if no policies passed packet`,
  };
  return [
    { ...setMark([], 0, marks.pass), comment: `Start of tier ${tier.name}` },
    ...tier.steps.flatMap((step) => stepRules(step, stage)),
    ...(tier.endAction === "deny" ? [end] : []),
  ];
}

function stepRules(step: Step, { direction, known, marks }: Stage): readonly Rule[] {
  const accepted = [markSet(marks.accept)];
  const jump: Rule = {
    matches: [markClear(marks.pass)],
    action: { kind: "jump", chain: stepChain(step, direction) },
  };
  if (step.kind === "staged") return [jump];
  return [
    jump,
    ...(known === "untracked" ? [{ matches: accepted, action: { kind: "no-track" } } as const] : []),
    { matches: accepted, action: { kind: "return" }, comment: "Return if policy accepted" },
  ];
}

const denyWords = { drop: "Drop", reject: "Reject" } as const;

function profileRules(profile: DirectionPlan["profile"], { marks: { accept }, deny }: Stage): readonly Rule[] {
  switch (profile) {
    case "none":
      return [];
    case "deny":
      return [{ matches: [], action: { kind: deny }, comment: `${denyWords[deny]} if no profiles matched` }];
    case "allow":
      return [
        { ...setMark([], accept, accept), comment: "Allow if no tier has decided" },
        { matches: [], action: { kind: "return" } },
      ];
  }
}

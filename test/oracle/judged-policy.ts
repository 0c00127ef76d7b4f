/** Every kind of policy as the specifications read it, in one form: where it stands, whom it is about, what its rules match. */
import type { Snapshot } from "../../src/api/snapshot.ts";
import { calicoPolicies } from "./calico-policy.ts";
import { clusterPolicies } from "./cluster-policy.ts";
import { kubernetesPolicies } from "./kubernetes-policy.ts";
import type { Seen, Selectable } from "./parties.ts";

/** One policy that is enforced. */
export interface JudgedPolicy {
  /** What people call it: kind, namespace and name. */
  readonly title: string;
  readonly tier: string;
  /** Lower is earlier; Infinity where none is given. */
  readonly order: number;
  /** `name/namespace/kind`: the order of those of equal order. */
  readonly sortName: string;
  /** A host endpoint has untracked and pre-DNAT policies at that stage alone, a pod never. */
  readonly stage: "normal" | "untracked" | "preDnat";
  readonly applyOnForward: boolean;
  readonly ingress: readonly JudgedRule[] | "not about it";
  readonly egress: readonly JudgedRule[] | "not about it";
  appliesTo(endpoint: Selectable): boolean;
}

/** One rule of it. */
export interface JudgedRule {
  readonly action: "allow" | "deny" | "pass" | "log";
  matches(seen: Seen): boolean;
}

/** All that are enforced. Staged ones never decide anything, so they are none of them. */
export function judgedPolicies(snapshot: Snapshot): readonly JudgedPolicy[] {
  return [...kubernetesPolicies(snapshot), ...clusterPolicies(snapshot), ...calicoPolicies(snapshot)];
}

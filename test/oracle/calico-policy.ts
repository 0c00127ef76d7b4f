/** `projectcalico.org/v3` NetworkPolicy and GlobalNetworkPolicy. */
import type { GlobalPolicySpec, PolicyRule, PolicySpec } from "../../src/api/policy-rule.ts";
import { isRejected, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { ruleMatches } from "./calico-rule.ts";
import type { JudgedPolicy, JudgedRule } from "./judged-policy.ts";
import { inheritedLabels, type Selectable } from "./parties.ts";
import { selects } from "./selection.ts";

/** Those of the snapshot. */
export function calicoPolicies(snapshot: Snapshot): readonly JudgedPolicy[] {
  const namespaced = [...snapshot.calicoNetworkPolicy].map(([key, policy]): JudgedPolicy => {
    const [namespace = "", name = ""] = key.split("/");
    const titled = { title: `NetworkPolicy ${key}`, sortName: `${name}/${namespace}/NetworkPolicy` };
    const isOfIt = (one: Selectable) => one.namespace === namespace;
    if (isRejected(policy)) return { ...titled, ...rejected(policy, isOfIt) };
    return {
      ...titled,
      ...readable(policy.spec, { snapshot, namespace }),
      ...{ stage: "normal", applyOnForward: false },
      appliesTo: (one) => isOfIt(one) && appliesTo(policy.spec, one),
    };
  });
  const global = [...snapshot.globalNetworkPolicy].map(([name, policy]): JudgedPolicy => {
    const titled = { title: `GlobalNetworkPolicy ${name}`, sortName: `${name}//GlobalNetworkPolicy` };
    if (isRejected(policy)) return { ...titled, ...rejected(policy, () => true) };
    const { doNotTrack, preDNAT, applyOnForward } = policy.spec;
    return {
      ...titled,
      ...readable(policy.spec, { snapshot, namespace: undefined }),
      stage: doNotTrack ? "untracked" : preDNAT ? "preDnat" : "normal",
      applyOnForward,
      appliesTo: (one) => appliesTo(policy.spec, one),
    };
  });
  return [...namespaced, ...global];
}

// --- internal ---

type Rest = Omit<JudgedPolicy, "title" | "sortName">;

interface Context {
  readonly snapshot: Snapshot;
  readonly namespace: string | undefined;
}

const actions = { Allow: "allow", Deny: "deny", Pass: "pass", Log: "log" } as const;

function readable({ tier, order, types, ingress, egress }: PolicySpec, context: Context) {
  const judged = (rule: PolicyRule): JudgedRule => ({
    action: actions[rule.action],
    matches: (seen) => ruleMatches(rule, seen, context),
  });
  return {
    tier,
    order: order ?? Number.POSITIVE_INFINITY,
    ingress: types.includes("Ingress") ? ingress.map(judged) : ("not about it" as const),
    egress: types.includes("Egress") ? egress.map(judged) : ("not about it" as const),
  };
}

/**
 * With a namespace selector `all()` means everything in a namespace, and else with a service account selector everything
 * that has one, in `selector` too: so a policy that says `all()` of namespaces is not about the nodes themselves.
 */
function appliesTo(spec: PolicySpec & Partial<GlobalPolicySpec>, one: Selectable): boolean {
  const { selector, namespaceSelector = "", serviceAccountSelector } = spec;
  const isNamespaced = one.namespace !== undefined;
  if (namespaceSelector !== "") {
    if (!selects(namespaceSelector, inheritedLabels(one, "pcns."), { all: isNamespaced })) return false;
  }
  const hasAccount = one.labels["projectcalico.org/serviceaccount"] !== undefined;
  if (serviceAccountSelector !== "") {
    if (!selects(serviceAccountSelector, inheritedLabels(one, "pcsa."), { all: hasAccount })) return false;
  }
  if (selector === "") return true;
  if (namespaceSelector !== "") return selects(selector, one.labels, { all: isNamespaced });
  // A policy of a namespace has no such second meaning.
  const isGlobal = spec.namespaceSelector !== undefined;
  return selects(selector, one.labels, { all: !isGlobal || serviceAccountSelector === "" || hasAccount });
}

/** It denies everything to whom it may have been about. */
function rejected({ scope, namespace }: Rejected, mayBeAbout: (one: Selectable) => boolean): Rest {
  const everything: readonly JudgedRule[] = [{ action: "deny", matches: () => true }];
  return {
    tier: scope.tier ?? "default",
    order: scope.order ?? Number.POSITIVE_INFINITY,
    stage: "normal",
    // What it forbids may be what the node forwards.
    applyOnForward: namespace === "",
    ingress: everything,
    egress: everything,
    appliesTo: (one) => mayBeAbout(one) && (scope.selector === undefined || selects(scope.selector, one.labels)),
  };
}

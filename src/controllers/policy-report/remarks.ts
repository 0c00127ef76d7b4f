import type { Kind } from "../../api/kinds.ts";
import type { PolicyRule } from "../../api/policy-rule.ts";
import type { Resource } from "../../api/resource.ts";
import type { EventSubject } from "../../kube/event-recorder.ts";
import type { RejectedObject } from "../../kube/rejected-objects.ts";

/** Something that people should know of an object. */
export interface Remark {
  readonly subject: EventSubject;
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

/** Of objects that cannot be read. */
export function rejectedRemarks(objects: readonly RejectedObject[]): readonly Remark[] {
  return objects.map(({ kind, namespace, name, uid, reason }) => ({
    subject: subjectOf(kind, { namespace: namespace === "" ? undefined : namespace, name, uid }),
    reason: "Unreadable",
    message: `${reason}. A policy that cannot be read denies what it may have selected; of other kinds counts what can be read.`,
  }));
}

/** Of Allow rules with `http`. */
export function httpRemarks(kind: Kind, policy: Resource<HttpRules>): readonly Remark[] {
  const rules = (["ingress", "egress"] as const).flatMap((direction) =>
    policy.spec[direction].flatMap(({ action, http }, index) =>
      action === "Allow" && http !== undefined ? [`spec.${direction}[${index}]`] : [],
    ),
  );
  if (rules.length === 0) return [];
  const message =
    `${rules.join(", ")}: nothing can look into HTTP requests here yet, so an Allow rule with http matches no packet. ` +
    "Leave http out to allow every request, or keep the rule for later.";
  return [{ subject: subjectOf(kind, policy.metadata), reason: "HTTPNotEnforced", message }];
}

// --- internal ---

interface HttpRules {
  readonly ingress: readonly Pick<PolicyRule, "action" | "http">[];
  readonly egress: readonly Pick<PolicyRule, "action" | "http">[];
}

function subjectOf(
  kind: Kind,
  {
    namespace,
    name,
    uid,
  }: { readonly namespace?: string | undefined; readonly name: string; readonly uid?: string | undefined },
): EventSubject {
  return { kind, name, ...(namespace && { namespace }), ...(uid && { uid }) };
}

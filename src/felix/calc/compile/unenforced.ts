import type { PolicyRule, PolicySpec } from "../../../api/policy-rule.ts";

/** What of the policy's rules is not enforced as written, one sentence for each place. */
export function unenforced({ types, ingress, egress }: PolicySpec): readonly string[] {
  return [
    ...(types.includes("Ingress") ? httpRules("ingress", ingress) : []),
    ...(types.includes("Egress") ? httpRules("egress", egress) : []),
  ];
}

// --- internal ---

function httpRules(direction: "ingress" | "egress", rules: readonly PolicyRule[]): readonly string[] {
  return rules.flatMap(({ action, http }, index) => {
    if (action !== "Allow" || http === undefined) return [];
    return [`The rule spec.${direction}[${index}] allows nothing: no program on this node can look into HTTP requests`];
  });
}

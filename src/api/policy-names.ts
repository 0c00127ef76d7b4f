/** How policies and tiers may be called. The API server itself holds names to lower case letters, digits, - and dots. */
import type { Rule } from "./custom-kind.ts";
import type { Resource } from "./resource.ts";

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const atMostOneDot = "self.metadata.name.matches('^[^.]+([.][^.]+)?$')";
const policyMessage =
  "the name must be lower case letters, digits and -, in one part or two with a dot between, as in web or tier.web";

/** Of a policy in a namespace: `web`, `tier.web`, or what upstream calls a converted one, `knp.default.web.v1`. */
export const namespacedPolicyName: Rule<Resource<unknown>> = {
  cel: `${atMostOneDot} || self.metadata.name.startsWith('knp.default.') || self.metadata.name.startsWith('ossg.default.')`,
  message: policyMessage,
  field: "metadata.name",
  holds: isCalled(`^(${label}([.]${label})?|(knp|ossg)[.]default[.]${label}([.]${label})*)$`, 253),
};

/** Of a policy of no namespace: `web` or `tier.web`. */
export const globalPolicyName: Rule<Resource<unknown>> = {
  cel: atMostOneDot,
  message: policyMessage,
  field: "metadata.name",
  holds: isCalled(`^${label}([.]${label})?$`, 253),
};

/** Of a tier: `platform`, at most 63 characters, so that it fits in a label. */
export const tierName: Rule<Resource<unknown>> = {
  cel: "size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",
  message: "the name must be lower case letters, digits and -, without a dot, at most 63 characters",
  field: "metadata.name",
  holds: isCalled(`^${label}$`, 63),
};

// --- internal ---

function isCalled(pattern: string, longest: number) {
  const text = new RegExp(pattern);
  return ({ metadata: { name } }: Resource<unknown>) => name.length <= longest && text.test(name);
}

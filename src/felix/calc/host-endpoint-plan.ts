import { hostEndpointLabels } from "../../api/endpoint-labels.ts";
import type { HostEndpoint } from "../../api/host-endpoint.ts";
import type { Labels, Namespace } from "../../api/objects.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { bothDirections, directionPlan, noPolicies } from "./direction-plan.ts";
import { namespacesOfProfiles } from "./host-endpoint-table.ts";
import type { BothDirections, DirectionPlan, HostEndpointPlan } from "./plan.ts";
import type { TierTable } from "./tier-table.ts";

/** One interface of the node, before any policy. */
export interface AssignedHostEndpoint {
  readonly name: string;
  /** `*`: every interface that no other is for. */
  readonly interfaceName: string;
  /** That policies select it by. */
  readonly labels: Labels;
  /** What becomes of packets to and from the node itself that no policy decides. */
  readonly profile: "allow" | "deny";
}

/** Which host endpoint an interface has. A namespace's profile is there while the namespace is, and allows. */
export function assignedHostEndpoint(
  interfaceName: string,
  hostEndpoint: HostEndpoint,
  namespaceOf: (name: string) => Namespace | undefined,
): AssignedHostEndpoint {
  const { metadata, spec } = hostEndpoint;
  const namespaces = namespacesOfProfiles(hostEndpoint).flatMap((name) => namespaceOf(name) ?? []);
  const labels = hostEndpointLabels(hostEndpoint, namespaces);
  const allows = namespaces.length > 0 || spec.profiles.includes(defaultAllow);
  return { name: metadata.name, interfaceName, labels, profile: allows ? "allow" : "deny" };
}

/** What the interface is to be like with these policies, which are in the order in which they are applied. */
export function hostEndpointPlan(
  { name, interfaceName, profile }: AssignedHostEndpoint,
  policies: readonly CompiledPolicy[],
  tiers: TierTable,
): HostEndpointPlan {
  const at = (stage: CompiledPolicy["stage"]) => policies.filter((policy) => policy.stage === stage);
  const early = { dropsAtEndOfTier: false, profile: "none" } as const;
  const preDnat = at("preDnat").filter(({ applies }) => applies.ingress);
  return {
    name,
    interfaceName,
    untracked: bothDirections(at("untracked"), tiers, early),
    preDnat: directionPlan(preDnat, tiers, early),
    forward: forwardPlans(at("normal"), tiers),
    normal: bothDirections(at("normal"), tiers, { dropsAtEndOfTier: true, profile }),
  };
}

// --- internal ---

/** The profile that is always there, and allows. */
const defaultAllow = "projectcalico-default-allow";

function forwardPlans(policies: readonly CompiledPolicy[], tiers: TierTable): BothDirections {
  const forwarded = policies.filter(({ applyOnForward }) => applyOnForward);
  const plans = bothDirections(forwarded, tiers, { dropsAtEndOfTier: true, profile: "none" });
  const enforced = forwarded.filter(({ plan }) => !plan.staged);
  const of = (direction: "ingress" | "egress"): DirectionPlan =>
    // Staged policies decide nothing, so with them alone it is as with none: what is forwarded is allowed.
    enforced.some(({ applies }) => applies[direction])
      ? plans[direction]
      : { ...noPolicies("allow"), tiers: plans[direction].tiers };
  return { ingress: of("ingress"), egress: of("egress") };
}
